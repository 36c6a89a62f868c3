from config.formats import *  # noqa: F403 - Django reads its names here

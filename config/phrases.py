"""What Unfold says and does not translate: named here so that our own catalogue covers it."""

from django.utils.translation import gettext_noop

UNFOLD_PHRASES = [
    gettext_noop("Select record"),
    gettext_noop("Select action"),
    gettext_noop("Select action to run"),
    gettext_noop("Select value"),
    gettext_noop("Select all rows"),
    gettext_noop("Run"),
    gettext_noop("Expand row"),
    gettext_noop("More actions"),
    gettext_noop("Apply Filters"),
    gettext_noop("Reset filters"),
    gettext_noop("Type to search"),
    gettext_noop("Sorting priority: %(priority_number)s"),
    gettext_noop("No data"),
    gettext_noop("No results found"),
    gettext_noop("This page yielded into no results. Create a new item or reset your filters."),
    gettext_noop("No results matching your query"),
    gettext_noop("Loading more results..."),
    gettext_noop("Recent searches"),
    gettext_noop("No recent searches"),
    gettext_noop("Search apps and models..."),
    gettext_noop("General"),
    gettext_noop("True"),
    gettext_noop("False"),
    gettext_noop("Previous"),
    gettext_noop("Next"),
    gettext_noop("Go back"),
    gettext_noop("Cancel"),
    gettext_noop("Submit"),
    gettext_noop("Light"),
    gettext_noop("Dark"),
    gettext_noop("System"),
    gettext_noop("Welcome"),
    gettext_noop("Welcome back to"),
    gettext_noop("Toggle password visibility"),
    gettext_noop("You have been successfully logged out from the administration"),
    gettext_noop("After you've created a user, you’ll be able to edit more user options."),
    gettext_noop(
        "Raw passwords are not stored, so there is no way to see this user’s password, but you can change the password "
        'using <a href="{}" class="text-primary-600 dark:text-primary-500">this form</a>.'
    ),
    gettext_noop(
        'Are you sure you want to delete the %(object_name)s "%(escaped_object)s"? '
        "All of the following related items will be deleted:"
    ),
    gettext_noop(
        "Are you sure you want to delete the selected %(objects_name)s? "
        "All of the following objects and their related items will be deleted:"
    ),
]

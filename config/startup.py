"""What must hold before a process of the platform serves anybody."""

from __future__ import annotations

import sys

from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, connection

from tenants.isolation import refuse_unsafe_database


def refuse_half_configured() -> None:
    """Exit with one line when the database cannot be reached or cannot keep tenants apart."""
    try:
        refuse_unsafe_database()
    except ImproperlyConfigured as error:
        sys.exit(f"openvpr: {error}")
    except OperationalError as error:
        sys.exit(f"openvpr: PostgreSQL cannot be reached: {str(error).splitlines()[0]}")
    finally:
        connection.close()

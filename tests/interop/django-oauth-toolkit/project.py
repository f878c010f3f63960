"""A Django project around django-oauth-toolkit, for one user.

What a reader adds to a project of their own is in FOLDER, from the page docs/providers/django-oauth-toolkit.md: settings.py,
settings_jwt.py, openid.py, urls.py and clients.py. FOLDER has the database and the keys as well.

Commands: prepare (a key, the database, the user, the clients), add-key, serve.
Environment: FOLDER, ORIGIN, PORT, USERNAME, PASSWORD, ACCESS_TOKENS (opaque or jwt).
"""

import os
import runpy
import sys
from pathlib import Path
from urllib.parse import urlsplit

from jwcrypto.jwk import JWK

FOLDER = Path(os.environ["FOLDER"])
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER))

# What a project has before django-oauth-toolkit is added to it.
PROJECT = {
    "BASE_DIR": FOLDER,
    "SECRET_KEY": "the-secret-key-of-django-in-the-tests",
    "DEBUG": False,
    "USE_TZ": True,
    "ALLOWED_HOSTS": [urlsplit(os.environ["ORIGIN"]).hostname, "127.0.0.1"],
    "ROOT_URLCONF": "urls",
    "INSTALLED_APPS": ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
    "MIDDLEWARE": [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    "TEMPLATES": [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "DIRS": [HERE / "templates"],
            "APP_DIRS": True,
            "OPTIONS": {"context_processors": ["django.contrib.auth.context_processors.auth"]},
        }
    ],
    "DATABASES": {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": FOLDER / "db.sqlite3",
            # SQLite has no locks of rows: a transaction that begins as a reader could not become a writer.
            "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE"},
        }
    },
    "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
    "SESSION_COOKIE_SECURE": True,
    "CSRF_COOKIE_SECURE": True,
    "LOGGING": {
        "version": 1,
        "handlers": {"console": {"class": "logging.StreamHandler"}},
        "root": {"handlers": ["console"], "level": "INFO"},
    },
}


def add_key():
    keys = FOLDER / "keys"
    keys.mkdir(exist_ok=True)
    number = len(list(keys.iterdir())) + 1
    key = JWK.generate(kty="RSA", size=2048)
    (keys / f"{number:03}.pem").write_bytes(key.export_to_pem(private_key=True, password=None))


def configure():
    """Sets Django up with the settings of the page."""
    files = ["settings.py"] + ["settings_jwt.py"] * (os.environ["ACCESS_TOKENS"] == "jwt")
    known = PROJECT
    for file in files:
        known = runpy.run_path(str(FOLDER / file), init_globals=known)

    import django
    from django.conf import settings

    settings.configure(**{name: value for name, value in known.items() if name.isupper()})
    django.setup()


def prepare():
    add_key()
    configure()
    from django.contrib.auth import get_user_model
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    get_user_model().objects.create_user(
        os.environ["USERNAME"],
        email="demo@example.com",
        password=os.environ["PASSWORD"],
        first_name="Demo",
        last_name="User",
    )
    runpy.run_path(str(FOLDER / "clients.py"))


def serve():
    configure()
    from django.core.wsgi import get_wsgi_application
    from waitress import serve as serve_with_waitress

    serve_with_waitress(
        get_wsgi_application(),
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        threads=8,
        # Envoy says with which scheme the request came.
        trusted_proxy="127.0.0.1",
        trusted_proxy_headers={"x-forwarded-proto"},
    )


{"prepare": prepare, "add-key": add_key, "serve": serve}[sys.argv[1]]()

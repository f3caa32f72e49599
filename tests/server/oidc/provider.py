"""A provider as companies run them, Django OAuth Toolkit, in a process of its own.

``python -m tests.server.oidc.provider DIRECTORY PORT ISSUER REDIRECT_URI`` serves until it is ended. Who there is, with
which claims, is read from ``people.json`` whenever somebody signs in; the key that signs is new in every process.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.conf import settings

CLIENT_ID = "hearth"
CLIENT_SECRET = "a secret: with + and /"
PASSWORD = "correct horse"
_LOGIN = """<!doctype html><html lang="en"><title>Provider</title><form method="post">{% csrf_token %}
<label>Name <input name="username"></label><label>Password <input name="password" type="password"></label>
<input type="hidden" name="next" value="{{ next }}"><button>Log in</button></form>"""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


def main(directory: Path, port: int, issuer: str, redirect_uri: str) -> None:
    """Serve."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    settings.configure(
        SECRET_KEY="the same in every process, so that sessions stay",
        ALLOWED_HOSTS=["localhost", "127.0.0.1"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": directory / "provider.sqlite"}},
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "oauth2_provider",
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
        # Its tables are made as they are now, without the history of how they came to be.
        MIGRATION_MODULES=dict.fromkeys(("auth", "contenttypes", "sessions", "oauth2_provider")),
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "OPTIONS": {
                    "loaders": [("django.template.loaders.locmem.Loader", {"registration/login.html": _LOGIN})]
                },
            }
        ],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
        LOGIN_URL="/login/",
        SESSION_COOKIE_NAME="provider-session",
        OAUTH2_PROVIDER={
            "OIDC_ENABLED": True,
            "OIDC_ISS_ENDPOINT": issuer,
            "OIDC_RSA_PRIVATE_KEY": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
            "PKCE_REQUIRED": True,
            "SCOPES": {"openid": "", "profile": "", "email": ""},
            "ALLOWED_REDIRECT_URI_SCHEMES": ["http", "https"],
        },
    )
    _prepare(directory, redirect_uri)
    from django.core.wsgi import get_wsgi_application

    server = _Server(("127.0.0.1", port), _Quiet)
    server.set_app(get_wsgi_application())
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    server.serve_forever()


def _prepare(directory: Path, redirect_uri: str) -> None:
    import django

    django.setup()
    from django.contrib.auth import get_user_model
    from django.contrib.auth.views import LoginView
    from django.core.management import call_command
    from django.urls import include, path
    from oauth2_provider.models import get_application_model
    from oauth2_provider.oauth2_validators import OAuth2Validator

    def people() -> dict[str, Any]:
        found: dict[str, Any] = json.loads((directory / "people.json").read_text())
        return found

    class Validator(OAuth2Validator):  # type: ignore[misc]  # it has no types
        oidc_claim_scope = None

        def get_additional_claims(self, request: Any) -> Any:
            return people()[request.user.username]

    settings.OAUTH2_PROVIDER["OAUTH2_VALIDATOR_CLASS"] = Validator
    settings.ROOT_URLCONF = (
        path("login/", LoginView.as_view()),
        path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
    )
    call_command("migrate", run_syncdb=True, verbosity=0)
    for name in people():
        if not get_user_model().objects.filter(username=name).exists():
            get_user_model().objects.create_user(name, password=PASSWORD)
    get_application_model().objects.get_or_create(
        client_id=CLIENT_ID,
        defaults={
            "client_secret": CLIENT_SECRET,
            "client_type": "confidential",
            "authorization_grant_type": "authorization-code",
            "redirect_uris": redirect_uri,
            "algorithm": "RS256",
            "skip_authorization": True,
        },
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4])

"""What the team server counts, for Prometheus. No label carries users, paths or text."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

SESSIONS = Gauge("hearth_sessions", "Editors that are connected now.")
SESSIONS_ENDED = Counter(
    "hearth_sessions_ended_total",
    "Sessions by how they ended: left, unread, too_large, withdrawn or restart.",
    ["reason"],
)
REFUSED = Counter(
    "hearth_refused_total",
    "What was turned away: sign_in, not_permitted, limit, sessions, connections, address_connections or address.",
    ["reason"],
)
PROVIDER_SIGN_INS = Counter(
    "hearth_provider_sign_ins_total",
    "Sign-ins at the OpenID Connect provider by outcome: ok, refused, or unavailable when it could not be asked.",
    ["outcome"],
)
REQUESTS = Counter("hearth_http_requests_total", "HTTP requests that were answered.", ["route", "status"])
REQUEST_SECONDS = Histogram("hearth_http_request_seconds", "Time to answer an HTTP request.", ["route"])
JOBS = Gauge("hearth_jobs", "Jobs of the queue by their state: waiting, running or failed.", ["state"])
WAITING_SINCE = Gauge(
    "hearth_jobs_waiting_since_timestamp_seconds",
    "When the job that is due and has waited longest was asked for, in seconds since the epoch; 0 when none is due.",
)
CERTIFICATE_EXPIRES = Gauge(
    "hearth_certificate_expires_timestamp_seconds",
    "When the certificate in use expires, in seconds since the epoch; 0 when it is not valid, or there is no TLS.",
)

"""The pages in a real browser: signing in and out, a repository added and watched, axe, widths and schemes."""

from __future__ import annotations

from pathlib import Path

import pytest

from indexer.queue import Queue
from indexer.queue import Repository as Registered
from server.accounts import Accounts, TokenScope
from tests.conftest import Repository
from tests.server.gateway.chromium_pages import chromium
from tests.server.gateway.team import team_server
from tests.server.history.measured import work_for_hours
from tests.server.indexed import SHOP

pytestmark = pytest.mark.real

PAGES = {
    "overview": "/",
    "repositories": "/repositories",
    "repository": "/repository?name=shop",
    "search": "/search?q=round+price",
    "connect": "/connect",
    "latency": "/latency?span=hour&stage=first_text",
    "latency-by-team": "/latency?span=day&stage=total&by=team",
    "usage": "/usage?span=week",
    "usage-by-editor": "/usage?span=day&by=editor",
    "accounts": "/accounts",
    "audit": "/audit",
    "refusal": "/repository?name=none",
}


@pytest.fixture
def token(data: Path) -> str:
    """The token of an administrator who reads everything, beside accounts, jobs and a week's work to look at."""
    work_for_hours(data, 7 * 24)
    (data / "downloads").mkdir()
    for name in ("hearth.vsix", "hearth.nvim.tar.gz", "hearth-0.1.0-py3-none-any.whl"):
        (data / "downloads" / name).write_bytes(b"package" * 100_000)
    with Accounts(data) as accounts:
        accounts.add_user("root", ["everything"])
        accounts.add_user("ana", ["backend", "shoppers"])
        accounts.add_to_group("everything", repositories=["*"])
        accounts.add_to_group("shoppers", repositories=["shop", "tools"])
        revoked, _ = accounts.add_token("ana", {TokenScope.SEARCH}, label="old laptop")
        accounts.revoke_token(revoked.id)
        accounts.add_token("ana", {TokenScope.COMPLETE, TokenScope.SEARCH}, label="laptop", seconds=86_400 * 90)
        with Queue(data) as queue:
            queue.register(Registered("shop", "https://git.example.invalid/acme/shop.git", paused=True))
            queue.register(Registered("billing", str(data / "gone.git")))
        return accounts.add_token("root", {TokenScope.ADMIN, TokenScope.SEARCH}, label="browser")[1]


async def test_every_page_is_accessible_in_both_schemes_and_at_the_width_of_a_phone(data: Path, token: str) -> None:
    async with (
        team_server(data, "[repositories]\nattempts = 1\n") as team,
        chromium(team.url) as window,
    ):
        looks = {"light": {}, "dark": {"dark": True}, "phone": {"phone": True}}
        for look, how in looks.items():
            await window.look(**how)
            if look == "light":
                await window.call("goto", "/")
                assert await window.call("accessibility") == []
                await window.screenshot("sign-in")
                await window.call("fill", "Token", token)
                await window.call("click", "Sign in")
            for name, path in PAGES.items():
                await window.call("goto", path)
                assert await window.call("accessibility") == [], (name, look)
                assert await window.call("overflow") <= 0, (name, look)
                await window.screenshot(f"{name}-{look}")
        assert await window.call("complaints") == []


async def test_somebody_signs_in_adds_a_repository_watches_it_and_signs_out(
    data: Path, token: str, tmp_path: Path
) -> None:
    (tmp_path / "git" / "ledger").mkdir(parents=True)
    made = Repository(tmp_path / "git" / "ledger")
    made.git("init", "--quiet", "--initial-branch=main")
    made.commit(SHOP | {f"many/part_{number}.py": f"def part_{number}():\n    pass\n" for number in range(300)})
    settings = f'[repositories]\nallowed_paths = ["{tmp_path / "git"}"]\n'
    async with team_server(data, settings) as team, chromium(team.url) as window:
        await window.call("goto", "/repositories")
        assert await window.call("path") == "/sign-in"
        await window.call("fill", "Token", token[:-1])
        await window.call("click", "Sign in")
        await window.call("waitForText", "not a whole token")
        await window.call("fill", "Token", token)
        await window.call("click", "Sign in")
        await window.call("goto", "/repositories")
        await window.call("fill", "URL, or path on the server", str(made.path))
        await window.call("click", "Add")
        # Nobody reloads the page: the script on it shows what becomes of the job.
        await window.call("waitForText", "up to date")
        await window.call("goto", "/repository?name=ledger")
        await window.call("click", "Pause")
        await window.call("waitForText", "paused")
        indexed = made.git("rev-parse", "HEAD")[:10]
        for number in range(2):
            made.commit({f"later_{number}.py": "pass\n"})
        await window.call("goto", "/repositories")
        await window.call("waitForText", f"indexed at {indexed}, 2 commits behind")
        await window.screenshot("behind")
        await window.call("goto", "/repository?name=ledger")
        await window.call("click", "Resume")
        # What came meanwhile is caught up with while one looks.
        await window.call("waitForText", f"indexed at {made.git('rev-parse', 'HEAD')[:10]}, up to date")
        await window.call("goto", "/repository?name=ledger")
        await window.call("open", "Remove")
        await window.call("fill", "To confirm, write its name", "ledger")
        await window.call("click", "Remove")
        assert await window.call("path") == "/repositories"
        await window.call("click", "Sign out")
        assert await window.call("path") == "/sign-in"
        await window.call("goto", "/accounts")
        assert await window.call("path") == "/sign-in"
        assert await window.call("complaints") == []


async def test_pages_work_without_scripts(data: Path, token: str) -> None:
    async with team_server(data) as team, chromium(team.url) as window:
        await window.look(scripts=False)
        await window.call("goto", "/sign-in")
        await window.call("fill", "Token", token)
        await window.call("click", "Sign in")
        await window.call("goto", "/search")
        await window.call("fill", "Words, a name, or a question", "round price")
        await window.call("click", "Search")
        assert "shop/pricing.py" in await window.call("text")
        await window.call("goto", "/accounts")
        await window.call("fill", "New user", "ben")
        await window.call("click", "Add user")
        assert "ben" in await window.call("text")
        await window.call("goto", "/latency")
        await window.call("choose", "Split by", "team")
        await window.call("choose", "Stage", "First token")
        await window.call("click", "Show")
        text = await window.call("text")
        assert "First token: p95 by team" in text
        assert "payments" in text
        await window.call("open", "As a table")
        assert "UTC" in await window.call("text")


async def test_an_administrator_sets_a_price_and_sees_what_tokens_would_cost(data: Path, token: str) -> None:
    async with team_server(data) as team, chromium(team.url) as window:
        await window.call("goto", "/usage")
        await window.call("fill", "Token", token)
        await window.call("click", "Sign in")
        await window.call("goto", "/usage")
        assert "tokens have no price" in await window.call("text")
        await window.call("fill", "Model, or * for all others", "*")
        await window.call("fill", "A million tokens of prompts", "1.5")
        await window.call("fill", "A million tokens generated", "6")
        await window.call("click", "Set price")
        await window.call("waitForText", "All others")
        await window.call("fill", "Currency", "CHF")
        await window.call("click", "Set currency")
        await window.call("waitForText", "1.50 CHF")
        text = await window.call("text")
        assert "tokens have no price" not in text
        assert await window.call("drawn") == 2
        await window.call("click", "Remove the price of all others")
        await window.call("waitForText", "tokens have no price")
        assert await window.call("complaints") == []

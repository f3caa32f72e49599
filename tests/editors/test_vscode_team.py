"""The extension in real VS Code, against the real team server: behind TLS, a token and a company's proxy."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Repository
from tests.e2e.model_server import ModelServer, running_model_server
from tests.editors.team import HOST, Proxy, Team, make_team, proxy_to
from tests.editors.vscode_shop import Shop, asked, grew, make_shop
from tests.editors.vscode_workbench import Tools, Workbench, install, workbench
from tests.patience import PATIENT, WAIT_SECONDS, patient_model
from tests.server.gateway.browser import browsing
from tests.server.gateway.team import HEARTH

pytestmark = pytest.mark.real

RATES = '''"""Rates of the day."""


def rate_of_the_day(currency: str) -> float:
    """Look up how many euro one unit of a currency is worth."""
    return {"EUR": 1.0, "USD": 0.9}[currency]
'''
TODAY = '''from rates.daily import rate_of_the_day


def dollars_today(euro: float) -> float:
    """Convert by the rate of the day."""
    return euro / rate_of_the_day("USD")
'''


@pytest.fixture(scope="module")
def tools() -> Tools:
    """VS Code, the browser and the package, installed when they are not there."""
    return install()


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """The repository that the editor has open, and in the index also one that it has not."""
    shop = make_shop(tmp_path)
    shop.repository.commit({"shop/today.py": TODAY})
    path = tmp_path / "rates"
    path.mkdir()
    repository = Repository(path)
    repository.git("init", "--quiet", "--initial-branch=main")
    repository.commit({"rates/daily.py": RATES})
    index = [*HEARTH, "index", str(shop.repository.path), str(path), "--data", str(shop.data)]
    subprocess.run(index, check=True, capture_output=True, timeout=300)
    return shop


async def test_a_day_with_the_team_server(tools: Tools, shop: Shop, tmp_path: Path) -> None:
    async with running_model_server() as model:
        team = make_team(tmp_path, shop.data, f"{patient_model(model.url)}{PATIENT}")
        async with proxy_to(team.port) as proxy:
            machine = {
                "hearth.server.path": "/nowhere/hearth",
                "hearth.server.certificateAuthority": str(team.authority),
            }
            user = {"http.proxy": proxy.url}
            async with workbench(
                tools, tmp_path, shop.repository.path, "shop/audit.py", machine, user=user, dark=False
            ) as bench:
                await bench.wait_for_status("Hearth: server not found")
                async with team.serving() as server:
                    await sign_in_with_a_wrong_token_first_and_then_a_browser(bench, team, proxy)
                    await suggestion_grows_and_is_taken(bench, model)
                    await reasons_and_the_menu_are_shown(bench)
                    await explanation_grows(bench, model)
                    await citation_opens_what_is_in_no_folder(bench, model)
                    await search_opens_what_is_in_no_folder(bench)
                    await server.stop(signal.SIGKILL)
                    await bench.wait_for_status("server away, again in")
                    await bench.screenshot("team-server-away-light")
                async with team.serving():
                    await bench.wait_for_status("Hearth: model")
                    await suggestion_comes_back(bench, model)
                    await revoked_token_is_told_once(bench, team)


async def sign_in_with_a_wrong_token_first_and_then_a_browser(bench: Workbench, team: Team, proxy: Proxy) -> None:
    await bench.screenshot("team-nothing-set-up-light")
    await bench.call("clickMessage", "Sign in")
    await bench.call("answer", "Address of your team's server", f"https://{HOST}")
    await bench.call("pickRow", "Enter a token")
    await bench.call("answer", "Your token", "hearth_mistyped")
    await bench.call("waitForMessage", "does not accept your token")
    await bench.wait_for_status("Hearth: sign in$")
    await bench.screenshot("team-wrong-token-light")
    [message] = await bench.call("messages")
    assert HOST in message
    # The name leads nowhere but through the proxy, and who signs in for the first time connects once.
    assert proxy.asked == [f"CONNECT {HOST}:443"]
    await bench.call("clickMessage", "Sign in")
    await bench.call("pickRow", "Sign in with the browser")
    # VS Code asks before it opens another site, which here has no name that a browser finds.
    await bench.call("answerDialog", "Cancel")
    await bench.call("waitForMessage", "let in the editor with the code")
    await bench.screenshot("team-sign-in-with-browser-light")
    [code] = re.findall(r"with the code (\S+) at", " ".join(await bench.call("messages")))
    async with browsing(team.url, team.token, ssl=False) as browser:
        page = await browser.get(f"/device?code={code}")
        assert "code-server" in page.text
        assert (await browser.post("/device", {"code": code, "action": "allow"})).status == 200
    await bench.wait_for_status("Hearth: model")
    assert team.let_in() == 1
    await bench.call("command", "Hearth: Sign out")
    await bench.wait_for_status("Hearth: sign in$")
    # The token is given back beside that.
    async with asyncio.timeout(WAIT_SECONDS):
        while team.let_in():  # noqa: ASYNC110 -- the server is another process
            await asyncio.sleep(0.1)
    await bench.call("command", "Notifications: Clear All Notifications")
    await bench.call("command", "Hearth: Sign in")
    await bench.call("pickRow", "Enter a token")
    await bench.call("answer", "Your token", team.token)
    await bench.wait_for_status("Hearth: model")


async def suggestion_grows_and_is_taken(bench: Workbench, model: ModelServer) -> None:
    await bench.call("focus")
    await bench.press("Control+End")
    await bench.record()
    await bench.press("Enter")
    call = await asked(model, "for cart in carts:\n        ")
    grown = ""
    for word in ("total", " = ca", "rt.ow", "ner"):
        call.write(word)
        grown += word
        await bench.wait_for_ghost(grown)
    call.write(None)
    assert len(grew(await bench.recorded())) >= 3
    await bench.press("Tab")
    await bench.wait_for_line(6, "        total = cart.owner")


async def reasons_and_the_menu_are_shown(bench: Workbench) -> None:
    await bench.call("command", "Hearth: Why this suggestion?")
    await bench.call("waitForText", "Snippets that were left out")
    await bench.screenshot("team-why-light")
    await bench.call("command", "Hearth: Show the menu")
    await bench.call("waitForRow", "Sign in again")
    await bench.screenshot("team-menu-light")
    await bench.press("Escape")


async def explanation_grows(bench: Workbench, model: ModelServer) -> None:
    await bench.call("command", "Hearth: Explain")
    async with asyncio.timeout(WAIT_SECONDS):
        chat = await model.chats.get()
    lengths = []
    for part in ("It goes over carts", " and takes their owners", " one by one [1]."):
        chat.write(part)
        await bench.call("waitForPanel", "#text", part.partition(" [")[0].strip())
        lengths.append(len(await bench.call("panel", "#text")))
    assert lengths == sorted(set(lengths)), lengths
    assert await bench.call("panel", "#stop") == "Stop"
    await bench.screenshot("team-explaining-light")
    chat.write(None)
    await bench.call("waitForPanel", "#sources li", "shop/")


async def citation_opens_what_is_in_no_folder(bench: Workbench, model: ModelServer) -> None:
    await bench.show("today.py")
    await bench.press("Control+End")
    await bench.call("command", "Hearth: Explain")
    async with asyncio.timeout(WAIT_SECONDS):
        chat = await model.chats.get()
    chat.write("It looks up a rate [1] [2] [3] [4].", None)
    await bench.call("waitForPanel", "#sources li", "rates rates/daily.py:4")
    await bench.screenshot("team-explanation-light")
    await bench.call("clickPanel", "#sources li:has-text('rates/daily.py') a")
    await bench.call("waitForTab", "daily.py")
    await bench.call("waitForCursor", "Ln 4, Col 1")
    await bench.call("waitForFocus")
    await bench.call("command", "Hearth: Explain")
    async with asyncio.timeout(WAIT_SECONDS):
        chat = await model.chats.get()
    assert "rates/daily.py" in chat.prompt
    chat.write("It knows [1] two currencies.", None)
    await bench.call("waitForPanel", "#text", "two currencies")
    await bench.call("waitForPanel", "#title", "rates rates/daily.py:4")
    await bench.screenshot("team-explanation-of-what-is-in-no-folder-light")
    await bench.press("Control+End")
    await bench.call("clickPanel", "#sources li:has-text('rates/daily.py:4') a")
    await bench.call("waitForCursor", "Ln 4, Col 1")


async def search_opens_what_is_in_no_folder(bench: Workbench) -> None:
    await bench.show("audit.py")
    await bench.call("command", "Hearth: Search the company's code")
    await bench.call("pick", "What does it do", "rate of the day in euro")
    await bench.call("waitForRow", "rates rates/daily.py:1")
    await bench.screenshot("team-search-light")
    await bench.call("pickRow", "rates rates/daily.py:1")
    await bench.call("waitForTab", "daily.py")
    await bench.call("waitForCursor", "Ln 1, Col 1")
    await bench.type("x")
    await bench.call("waitForText", "Cannot edit in read-only editor")


async def suggestion_comes_back(bench: Workbench, model: ModelServer) -> None:
    await bench.show("audit.py")
    await bench.press("Control+End", "Enter")
    call = await asked(model, "total = cart.owner\n        ")
    call.write("print(total)", None)
    await bench.wait_for_ghost("print(total)")
    await bench.press("Tab")


async def revoked_token_is_told_once(bench: Workbench, team: Team) -> None:
    team.revoke()
    await bench.wait_for_status("Hearth: sign in$")
    await bench.call("waitForMessage", "does not accept your token")
    await bench.screenshot("team-revoked-light")
    [message] = await bench.call("messages")
    assert message.endswith('Use "Hearth: Sign in".'), message
    assert "hearth sign-in" not in message
    await bench.call("clickMessage", "Sign in")
    await bench.call("pickRow", "Enter a token")
    await bench.call("answer", "Your token", team.new_token())
    await bench.wait_for_status("Hearth: model")

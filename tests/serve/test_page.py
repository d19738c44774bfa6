"""The page to try a model: safe and complete as text, and used on a real server."""

import base64
import hashlib
import html.parser
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Exported, Trained
from tests.report.browser import Page, browsing
from tests.serve import running
from tests.serve.running import Served
from tfpipeline.export import protocol
from tfpipeline.export.signatures import Loaded
from tfpipeline.serve import page

ODD = "</script><img src=x onerror=alert(1)> \"'&"
FAKE_CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")


class Elements(html.parser.HTMLParser):
    """The elements of a page, each with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def all(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.found if tag in tags]


def script_of(text: str) -> str:
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    return str(script)


@pytest.mark.parametrize("grad_cam", [False, True])
def test_the_script_uses_ids_that_there_are(grad_cam: bool) -> None:
    text = page.render("pets", grad_cam=grad_cam)
    ids = [a["id"] for _, a in Elements(text).found if "id" in a]
    used = set(re.findall(r'at\("([\w-]+)"\)', script_of(text)))
    for names in re.findall(r"for \(const id of \[(.*?)\]", script_of(text)):
        used |= set(re.findall(r'"([\w-]+)"', names))
    missing = used - set(ids)
    assert len(ids) == len(set(ids)) and len(used) > 15
    assert missing == (
        set() if grad_cam else {"heat", "heat-shown", "heat-says", "near", "near-shown"}
    )


def test_a_name_is_text_and_the_script_never_makes_markup() -> None:
    plain, odd = (page.render(name) for name in ("pets", ODD))
    named = Elements(odd)
    assert len(named.found) == len(Elements(plain).found)
    (body,) = named.all("body")
    assert body["data-model"] == ODD
    script = script_of(odd)
    assert script == script_of(plain)
    for way in ("innerHTML", "outerHTML", "insertAdjacent", "write(", "eval("):
        assert way not in script


def test_nothing_but_what_stands_in_the_page_runs() -> None:
    text = page.render("pets", grad_cam=True)
    headers = page.headers(text)
    rules = dict(
        rule.split(" ", 1) for rule in headers["Content-Security-Policy"].split("; ")
    )
    for tag in ("script", "style"):
        (part,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()
        assert rules[f"{tag}-src"] == f"'sha256-{digest}'"
    assert rules["default-src"] == rules["frame-ancestors"] == "'none'"
    assert rules["connect-src"] == "'self'"
    # An element with a style or handler of its own would be refused by those rules.
    for _, attributes in Elements(text).found:
        assert not [a for a in attributes if a == "style" or a.startswith("on")]
    assert not re.search(r"https?:|//\w+\.\w", text)


def test_what_can_be_used_or_seen_has_a_name() -> None:
    elements = Elements(page.render("pets", grad_cam=True))
    for section in elements.all("section"):
        assert section["aria-labelledby"] in {a.get("id") for a in elements.all("h2")}
    assert all("alt" in image for image in elements.all("img"))
    (video,) = elements.all("video")
    (file,) = elements.all("input")
    assert video["aria-label"] and file["type"] == "file"
    text = page.render("pets")
    (label,) = re.findall(r"<label.*?</label>", text, re.DOTALL)
    assert '<input type="file"' in label
    assert all(re.findall(r"<button[^>]*>([^<]*)</button>", text))
    assert {"status", "alert"} <= {a.get("role") for _, a in elements.found}


@pytest.fixture(scope="module")
def served(
    exported: Exported, small_run: Trained, tmp_path_factory
) -> Iterator[Served]:
    log = tmp_path_factory.mktemp("server") / "log"
    words = ("--ui", "true", "--run", str(small_run.path), "--grpc_port", "null")
    with running.serving(exported.base, log, *words) as server:
        yield server


def post(address: str, content: bytes, kind: str) -> tuple[int, Any, Any]:
    """Send what the page sends; return code, headers and JSON."""
    request = urllib.request.Request(address, content, {"Content-Type": kind})
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.status, reply.headers, json.load(reply)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, json.load(error)


@pytest.mark.slow
def test_the_page_is_served_beside_the_protocol(served: Served) -> None:
    assert served.ui == served.rest.split("/v1")[0] + "/ui" and served.grpc == ""
    request = urllib.request.Request(served.ui, headers={"Origin": "http://other"})
    with urllib.request.urlopen(request, timeout=30) as reply:
        text, headers = reply.read().decode(), reply.headers
    assert text == page.render("classifier", grad_cam=True)
    assert headers["content-type"].startswith("text/html")
    for name, value in page.headers(text).items():
        assert headers[name] == value
    assert not [name for name in headers if name.lower().startswith("access-control")]


@pytest.mark.slow
def test_a_page_that_reaches_it_by_another_name_reads_nothing(served: Served) -> None:
    for address in (served.ui, served.rest):
        request = urllib.request.Request(address, headers={"Host": "evil.example"})
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=30)
        with refused.value as reply:
            assert reply.code == 421 and "evil.example" in json.load(reply)["error"]


@pytest.mark.slow
def test_a_picture_gets_what_the_version_says_of_it(
    served: Served, exported: Exported
) -> None:
    # As the page does: of the newest version, one picture, without a signature.
    ask = f"{served.rest}:predict"
    known = Loaded(exported.base / "2").answer([exported.contents[0]])[0]
    body = json.dumps({"instances": protocol.instances(exported.contents[:1])})
    code, headers, content = post(ask, body.encode(), "application/json")
    (answer,) = content["predictions"]
    assert code == 200 and headers["x-model-version"] == "2" and answer["valid"]
    assert answer["labels"] == list(known.labels)
    assert answer["probabilities"] == pytest.approx(known.probabilities, abs=1e-5)
    assert answer.get("accepted") is None and answer["accepted_reason"]
    body = json.dumps({"instances": protocol.instances([b"no picture"])})
    code, _, content = post(ask, body.encode(), "application/json")
    (answer,) = content["predictions"]
    assert code == 200 and not answer["valid"] and answer["error"]


@pytest.mark.slow
def test_grad_cam_is_of_the_class_that_is_answered(
    served: Served, exported: Exported
) -> None:
    kind = "application/octet-stream"
    for picture in exported.contents[:2]:
        code, _, content = post(f"{served.ui}/grad_cam", picture, kind)
        (answer,) = Loaded(exported.base / "2").answer([picture])
        assert code == 200 and content["label"] == answer.labels[0]
        png = base64.b64decode(content["picture"]["b64"])
        assert png.startswith(b"\x89PNG")
    code, headers, content = post(f"{served.ui}/grad_cam", b"no picture", kind)
    assert code == 400 and set(content) == {"error"} and content["error"]
    assert not [name for name in headers if name.lower().startswith("access-control")]


PUT = """{
  const bytes = Uint8Array.from(atob(%s), (one) => one.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], %s));
  %s
}"""
CHOOSE = """const input = document.getElementById("file");
  input.files = dataTransfer.files; input.dispatchEvent(new Event("change"));"""
DROP = """document.dispatchEvent(new DragEvent("drop", { dataTransfer }));"""


def put(browser: Page, content: bytes, name: str, how: str) -> None:
    encoded = json.dumps(base64.b64encode(content).decode())
    browser.ask(PUT % (encoded, json.dumps(name), how))


def wait(browser: Page, element: str) -> None:
    """Wait until an element is shown."""
    end = time.monotonic() + 60
    while not browser.ask(f"!document.getElementById({element!r}).hidden"):
        assert time.monotonic() < end, element
        time.sleep(0.05)


@pytest.mark.slow
def test_a_browser_chooses_drops_and_takes_pictures(
    served: Served, exported: Exported, tmp_path: Path
) -> None:
    picture = exported.contents[0]
    (known,) = Loaded(exported.base / "2").answer([picture])
    shown = "document.getElementById('best').textContent"
    with browsing(tmp_path, *FAKE_CAMERA) as browser:
        for how in (CHOOSE, DROP):
            browser.open(served.ui, 400)
            put(browser, picture, f"{ODD * 9}.png", how)
            wait(browser, "answer")
            assert browser.ask(shown).startswith(f"{known.labels[0]}: ")
            bars = browser.ask("document.querySelectorAll('#ranks li').length")
            assert bars == len(known.labels)
            wait(browser, "heat")
            assert browser.ask("document.getElementById('heat').complete")
            assert browser.ask("document.documentElement.scrollWidth") <= 400
        says = "[{accepted: true}, {accepted: false}, {accepted_reason: 'few'}, {}]"
        verdicts = browser.ask(f"{says}.map(verdict)")
        assert len(set(verdicts)) == 4 and "few" in verdicts[2]
        put(browser, b"no picture", "torn.jpg", CHOOSE)
        wait(browser, "error")
        assert browser.ask("document.getElementById('answer').hidden")
        browser.ask("document.getElementById('start').click()")
        wait(browser, "video")
        end = time.monotonic() + 60
        while not browser.ask("document.getElementById('video').videoWidth"):
            assert time.monotonic() < end
        browser.ask("document.getElementById('take').click()")
        wait(browser, "answer")
        assert browser.ask("document.getElementById('video').srcObject") is None
        wait(browser, "heat")
        server = served.ui.removesuffix("/ui")
        assert all(
            url.startswith((server, f"blob:{server}")) for url in browser.requests
        )
        assert browser.complaints == []


@pytest.mark.slow
def test_a_browser_says_what_is_wrong_with_camera_and_server(
    served: Served, exported: Exported, tmp_path: Path
) -> None:
    error = "document.getElementById('error').textContent"
    with browsing(tmp_path) as browser:
        browser.open(served.ui)
        press = "document.getElementById('start').click()"
        browser.ask(press)
        wait(browser, "error")
        refused = browser.ask(error)
        # As for an address that is neither https nor of this machine.
        browser.ask("Object.defineProperty(navigator, 'mediaDevices', { value: null })")
        browser.ask(press)
        assert "https" in browser.ask(error) and browser.ask(error) != refused
        offline = {"offline": True, "latency": 0}
        offline |= {"downloadThroughput": -1, "uploadThroughput": -1}
        browser.call("Network.emulateNetworkConditions", **offline)
        put(browser, exported.contents[0], "a.png", CHOOSE)
        wait(browser, "error")
        assert "terminal" in browser.ask(error)
        assert browser.ask("document.getElementById('answer').hidden")

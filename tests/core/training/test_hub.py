"""Pushing an adapter: the real client against a server that answers as the hub does."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from divtool.core.errors import DivtoolError, UsageError
from divtool.core.models.names import hub_name
from divtool.core.training import whole
from divtool.core.training.hub import Upload
from divtool.core.training.preference import train
from divtool.core.training.whole import Keeping

TOKEN = "hf_made_token_of_the_test"


@dataclass
class Hub:
    """What the server knows, is asked for, and is to answer.

    Attributes:
        role: Of the token.
        broken: A path that it answers with an error.
        repos: By name, whether private.
        asked: Method and path of each request.
        files: What was committed.
        stored: Contents by SHA-256, uploaded before the commit.
    """

    role: str = "write"
    broken: str = ""
    repos: dict[str, bool] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    stored: dict[str, bytes] = field(default_factory=dict)

    def answer(self, path: str, body: bytes, url: str) -> Any:
        if path == "/api/whoami-v2":
            auth = {"type": "access_token", "accessToken": {"displayName": "t", "role": self.role}}
            return {"type": "user", "name": "me", "orgs": [{"name": "lab"}], "auth": auth}
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked.get('organization') or 'me'}/{asked['name']}"
            self.repos.setdefault(name, bool(asked.get("private")) or asked.get("visibility") == "private")
            return {"url": f"{url}/{name}", "name": name}
        if path == "/api/validate-yaml":
            yaml.safe_load(json.loads(body)["content"].split("---\n")[1])
            return {"warnings": []}
        if "/preupload/" in path:
            names = [file["path"] for file in json.loads(body)["files"]]
            modes = {name: "lfs" if name.endswith(".safetensors") else "regular" for name in names}
            return {"files": [{"path": name, "uploadMode": modes[name], "shouldIgnore": False} for name in names]}
        if path.endswith("/info/lfs/objects/batch"):
            wanted = json.loads(body)["objects"]
            return {
                "transfer": "basic",
                "objects": [
                    one | {"actions": {"upload": {"href": f"{url}/store/{one['oid']}", "header": {}}}} for one in wanted
                ],
            }
        if path.startswith("/store/"):
            assert hashlib.sha256(body).hexdigest() == path.rpartition("/")[2]
            self.stored[path.rpartition("/")[2]] = body
            return {}
        assert "/commit/" in path, path
        for line in map(json.loads, body.splitlines()):
            if line["key"] == "file":
                self.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            elif line["key"] == "lfsFile":
                self.files[line["value"]["path"]] = self.stored[line["value"]["oid"]]
        repo = path.removeprefix("/api/models/").partition("/commit/")[0]
        return {"commitUrl": f"{url}/{repo}/commit/{'0' * 40}", "commitOid": "0" * 40, "pullRequestUrl": None}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    from huggingface_hub import constants

    known = Hub()

    class Handler(BaseHTTPRequestHandler):
        def respond(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            path = self.path.partition("?")[0]
            known.asked.append(f"{self.command} {path}")
            good = path.startswith("/store/") or self.headers.get("Authorization") == f"Bearer {TOKEN}"
            status = 401 if not good else 403 if known.broken and known.broken in path else 200
            found = known.answer(path, body, constants.ENDPOINT) if status == 200 else {"error": "not so"}
            content = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = respond

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    yield known
    server.shutdown()
    server.server_close()
    thread.join()


def test_adapter_card_and_log_are_pushed(lab: Any, hub: Hub) -> None:
    job = lab.job(max_steps=2, save_steps=1, model=lab.model)
    (lab.folder / "out" / "runs").mkdir(parents=True)
    (lab.folder / "out" / "runs" / "events.out.tfevents.1.host").write_bytes(b"x")
    whole.run(job, train, Keeping(upload=Upload("lab/quiet", private=True)))
    assert hub.asked.index("GET /api/whoami-v2") < hub.asked.index("POST /api/repos/create")
    assert hub.repos == {"lab/quiet": True}
    out = lab.folder / "out"
    assert sorted(hub.files) == [
        "README.md", "adapter_config.json", "adapter_model.safetensors", "divtool_train.json", "train_log.jsonl",
    ]  # fmt: skip
    for name in hub.files.keys() - {"adapter_config.json"}:
        assert hub.files[name] == (out / name).read_bytes()
    config = json.loads(hub.files["adapter_config.json"])
    # The model is a folder of this machine, whose path is nobody else's business.
    assert config["base_model_name_or_path"] == Path(lab.model).name
    assert config | {"base_model_name_or_path": lab.model} == json.loads((out / "adapter_config.json").read_bytes())
    said = "\n".join([*lab.notes, *lab.warnings])
    assert lab.notes[-1].endswith("/lab/quiet")
    assert not [text for text in (said, *map(bytes.decode, (hub.files["README.md"],))) if TOKEN in text]


def test_a_failed_push_keeps_the_adapter_and_can_be_made_up_for(lab: Any, hub: Hub) -> None:
    hub.broken = "/commit/"
    keeping = Keeping(upload=Upload("quiet"))
    with pytest.raises(DivtoolError, match="was not pushed to quiet") as caught:
        whole.run(lab.job(max_steps=1), train, keeping)
    out = lab.folder / "out"
    assert f"; later: hf upload quiet {out} . --exclude 'checkpoints/*' --exclude 'runs/*'" in str(caught.value)
    assert TOKEN not in str(caught.value)
    assert {"adapter_model.safetensors", "README.md"} <= {path.name for path in out.iterdir()}
    hub.broken = ""
    whole.run(lab.job(max_steps=1, resume=True), train, keeping)
    assert hub.repos == {"me/quiet": False}
    assert hub.files["adapter_model.safetensors"] == (out / "adapter_model.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("repo", "change", "kind", "says"),
    [
        ("a/b/c", {}, UsageError, "--push-to-hub a/b/c: "),
        ("-bad-", {}, UsageError, "--push-to-hub -bad-: "),
        ("other/quiet", {}, DivtoolError, "the token writes to me, lab, not to other"),
        ("lab/quiet", {"role": "read"}, DivtoolError, "the token may only read"),
        ("lab/quiet", {"broken": "whoami"}, DivtoolError, "--push-to-hub lab/quiet: "),
        ("lab/quiet", {"token": ""}, DivtoolError, "no token of the hub; run hf auth login, or set HF_TOKEN"),
    ],
)
def test_what_the_hub_would_not_take_is_said_before_the_training(
    lab: Any, hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, repo: str, change: Any, kind: Any, says: str
) -> None:
    for name, value in change.items():
        if name == "token":
            monkeypatch.delenv("HF_TOKEN")
            monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "none"))
        else:
            setattr(hub, name, value)
    with pytest.raises(kind, match="--push-to-hub") as caught:
        whole.run(lab.job(source="not read"), train, Keeping(upload=Upload(repo)))
    assert type(caught.value) is kind
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not hub.repos
    assert not (lab.folder / "out").exists()


def test_a_dry_run_asks_nobody(lab: Any, hub: Hub) -> None:
    whole.run(lab.job(None, dry_run=True), train, Keeping(upload=Upload("lab/quiet")))
    assert not hub.asked
    with pytest.raises(UsageError, match="a/b/c"):
        whole.run(lab.job(None, dry_run=True), train, Keeping(upload=Upload("a/b/c")))


def test_the_hub_names_of_models(tmp_path: Path) -> None:
    snapshot = tmp_path / "models--someone--A.Model-1" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    assert hub_name("smollm2-135m") == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert hub_name("someone/A.Model-1") == "someone/A.Model-1"
    assert hub_name("gpt2") == "gpt2"
    assert hub_name(str(snapshot)) == "someone/A.Model-1"
    for name in (str(tmp_path), "file.gguf", "a/b/c", "/no/such"):
        assert hub_name(name) is None

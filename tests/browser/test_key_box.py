"""A key that is typed into JupyterLab goes to the kernel once and whole, comes back never, and stands in no saved file."""

from typing import Any

from faults.canary import hits
from lab import Book

KEY = "ak_canary_7Qx_k9zW-e~d.b5"
PANEL = 1


def test_a_typed_key_is_in_no_saved_notebook_and_no_message_to_the_browser(first_video: Book) -> None:
    book = first_video
    sent: list[bytes] = []
    received: list[bytes] = []

    def listen(socket: Any) -> None:
        socket.on("framesent", lambda frame: sent.append(frame if isinstance(frame, bytes) else frame.encode()))
        socket.on("framereceived", lambda frame: received.append(frame if isinstance(frame, bytes) else frame.encode()))

    book.page.on("websocket", listen)
    book.open()  # again, so that the kernel's socket is one that is listened to
    book.run(0)
    book.run(PANEL)
    panel = book.output(PANEL)
    panel.get_by_role("button", name="Use a key").click()
    box = panel.get_by_placeholder("Key for crun, then Enter")
    box.press_sequentially(KEY)
    assert box.evaluate("box => box.type") == "password"
    assert box.evaluate("box => box === document.activeElement"), "the box had the focus from the start"
    assert not [frame for frame in sent if KEY[:12].encode() in frame], "nothing is sent while it is typed"
    box.press("Enter")
    panel.get_by_text("is held by this kernel until it ends").wait_for()
    assert box.input_value() == ""
    assert box.is_hidden()
    book.idle()
    saved = book.save()
    assert "application/vnd.jupyter.widget-state+json" in saved["metadata"]["widgets"], "the control: state is saved"
    assert not hits((book.lab.root / book.name).read_bytes(), KEY)
    assert [frame for frame in sent if KEY.encode() in frame], "the control: it went to the kernel"
    assert received
    assert not [frame for frame in received if hits(frame, KEY)]
    assert not hits(book.page.content().encode(), KEY)
    book.picture("key_box")

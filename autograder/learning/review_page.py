"""The review as one page without a network: the questions and boxes of review.json, and a script.

The script follows the same rules as `autograder.learning.review`; a browser test holds both
together. What is answered stays in the browser, and a link carries it on.
"""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from autograder.checking.spec import Exercise
from autograder.exercises import all_exercises
from autograder.learning.errors import LearnerError
from autograder.learning.items import items_for
from autograder.learning.review import A_DAY, BETWEEN, DAYS, Box, Review, as_json, link_of


def page_of(review: Review) -> str:
    """Return the page, whole: no other file, no request."""
    data = as_json(review).replace("<", "\\u003c")
    rules = json.dumps({"days": DAYS, "most": A_DAY})
    return PAGE.replace("@DATA@", data).replace("@RULES@", rules).replace("@KEEPER@", KEEPER)


def write_for_all(folder: Path, provider, about: Sequence[Exercise] = ()) -> None:
    """Write the page for everybody: the questions on every known mistake, and no boxes.

    Args:
        about: only these exercises; all when empty.

    These come with a learner's link. A server needs nothing but the folder's two files; the second
    keeps the page for visits without a network.
    """
    items = {
        f"{exercise.id}{BETWEEN}{name}": items_for(exercise.id, name, provider, passed=False)
        for exercise in about or all_exercises()
        for name in provider.hints(exercise)
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_text(page_of(Review(items=items)), encoding="utf-8")
    (folder / KEEPER).write_text(KEPT, encoding="utf-8")


def qr_of(address: str, boxes: Mapping[str, Box]) -> bytes:
    """Return a QR code, as an SVG, of the link that opens the page at `address` with these boxes.

    Needs the extra [qr]. Raises LearnerError when the boxes are more than a code can hold.
    """
    import segno

    link = f"{address.partition('#')[0]}#{link_of(boxes)}"
    try:
        code = segno.make_qr(link, error="L")
    except segno.DataOverflowError:
        raise LearnerError(
            f"A QR code holds about 20 mistakes, and these are {len(boxes)}: open the link below "
            "the page instead, or --merge this review.json on the other device."
        ) from None
    out = io.BytesIO()
    code.save(out, kind="svg", scale=4, light="#fff")  # readable where the page is dark too
    return out.getvalue()


KEEPER = "keep.js"
KEPT = """\
// Keeps the page for visits without a network; with one, the newest is shown.
"use strict";
const SHELF = "review";
self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(SHELF).then((shelf) => shelf.addAll(["./", "index.html"])));
});
self.addEventListener("fetch", (event) => {
  const newest = fetch(event.request).then(async (answer) => {
    const copy = answer.clone();
    if (answer.ok) await (await caches.open(SHELF)).put(event.request, copy);
    return answer;
  });
  event.respondWith(newest.catch(() => caches.match(event.request, { ignoreSearch: true })));
});
"""

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Review</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root { color-scheme: light dark }
body { font: 16px/1.5 sans-serif; max-width: 40em; margin: auto; padding: 1em }
a { color: inherit }
pre, button { white-space: pre-wrap; overflow-wrap: anywhere }
pre { background: #8882; padding: .6em }
button { display: block; width: 100%; min-height: 44px; margin: .5em 0; padding: .5em;
  text-align: left; font: 14px/1.4 monospace }
</style></head><body><main><h1>Review</h1><div id="now" aria-live="polite"></div></main>
<p><a id="link" href="#">This link carries your boxes to another device</a></p>
<script type="application/json" id="data">@DATA@</script>
<script>
"use strict";
const rules = @RULES@;
const data = JSON.parse(document.getElementById("data").textContent);
const place = document.getElementById("now");

function two(n) { return String(n).padStart(2, "0"); }
function dayOf(t) { return `${t.getFullYear()}-${two(t.getMonth() + 1)}-${two(t.getDate())}`; }
function timeOf(t) {
  return `${dayOf(t)}T${two(t.getHours())}:${two(t.getMinutes())}:${two(t.getSeconds())}`;
}
function later(days) { const t = new Date(); t.setDate(t.getDate() + days); return dayOf(t); }

function merged(ours, theirs) {
  for (const [key, box] of Object.entries(theirs)) {
    const old = ours[key];
    if (!old || box[2] > old[2] || (box[2] === old[2] && box[0] < old[0])) ours[key] = box;
  }
  return ours;
}
function stored() {
  try { return JSON.parse(localStorage.getItem("review boxes")) || {}; } catch { return {}; }
}
function carried() {
  try {
    const code = location.hash.slice(1).replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(code), (c) => c.charCodeAt(0));
    return code ? JSON.parse(new TextDecoder().decode(bytes)) : {};
  } catch { return {}; }
}
function settled(boxes) {
  const now = timeOf(new Date());
  for (const box of Object.values(boxes)) {
    if (box[2] > now || box[1] > later(rules.days[box[0] - 1])) {
      const yesterday = `${later(-1)}T00:00:00`;
      box[1] = later(0);
      if (box[2] > yesterday) box[2] = yesterday;
    }
  }
  return boxes;
}
const boxes = settled(merged(merged(data.boxes, stored()), carried()));

function due() {
  const today = later(0);
  const done = Object.values(boxes).filter((box) => box[2].startsWith(today)).length;
  const keys = Object.keys(boxes).filter((key) => data.items[key]?.length
    && boxes[key][1] <= today && !boxes[key][2].startsWith(today));
  const order = (key) => boxes[key][1] + key;
  keys.sort((a, b) => (order(a) < order(b) ? -1 : 1));
  return keys.slice(0, Math.max(0, rules.most - done));
}
function keep() {
  try { localStorage.setItem("review boxes", JSON.stringify(boxes)); } catch { /* a private tab */ }
  const bytes = new TextEncoder().encode(JSON.stringify(boxes));
  const code = btoa(Array.from(bytes, (b) => String.fromCharCode(b)).join(""));
  const safe = code.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  document.getElementById("link").href = "#" + safe;
}
function add(tag, text) {
  const made = document.createElement(tag);
  made.textContent = text;
  place.append(made);
  return made;
}
function show() {
  keep();
  place.replaceChildren();
  const [key] = due();
  if (!key) {
    add("p", Object.keys(boxes).length ? "Nothing more is due today." : "Your past mistakes come "
      + "here with the link or the code that `autograder review` gives you.");
    return;
  }
  const forms = data.items[key];
  const item = forms[(boxes[key][0] - 1) % forms.length];
  add("h2", item.title);
  add("p", item.question);
  if (item.code) add("pre", item.code);
  item.choices.forEach((choice, number) => {
    add("button", choice).onclick = () => answered(key, item, item.right.includes(number));
  });
}
function answered(key, item, isRight) {
  const box = isRight ? Math.min(boxes[key][0] + 1, rules.days.length) : 1;
  boxes[key] = [box, later(rules.days[box - 1]), timeOf(new Date())];
  keep();
  for (const button of place.querySelectorAll("button")) button.remove();
  add("p", isRight ? "Right." : "Not so. Right is:");
  if (!isRight) {
    add("pre", item.right.map((number) => item.choices[number]).join("\\n"));
    add("p", item.why);
  }
  const next = add("button", "Next");
  next.onclick = show;
  next.focus();
}
show();
if (location.protocol.startsWith("http")) {
  navigator.serviceWorker?.register("@KEEPER@").catch(() => {}); // where there is none: online
}
</script></body></html>
"""

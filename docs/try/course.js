// Looks after the reader's work in the page: what cannot run, copies, full storage, old pages; and
// starts Python early.
"use strict";

(() => {
  const BUILD = "@BUILD@";
  const root = new URL(".", document.currentScript.src);
  const inNotebook = location.pathname.includes("/notebooks/");
  const name = new URLSearchParams(location.search).get("path") || "";
  const COPIED = `copied:${name}`;

  // ------------------------------------------------------------------------------ what is said

  const bar = document.createElement("div");
  bar.id = "course-bar";
  bar.setAttribute("role", "status");
  bar.style.cssText =
    "position:fixed;bottom:0;left:0;right:0;z-index:2000;display:flex;flex-wrap:wrap;gap:.3rem 1rem;" +
    "align-items:center;padding:.35rem 1rem;font:14px/1.4 system-ui,sans-serif;" +
    "background:#1d2b3a;color:#fff";
  const line = document.createElement("span");
  bar.append(line);
  const room = document.createElement("style"); // so that the bar hides no last line
  room.textContent = ".jp-WindowedPanel-viewport { padding-bottom: 4rem }";
  document.head.append(room);

  function say(text) {
    line.textContent = text;
    if (!bar.isConnected) document.body.append(bar);
  }

  function button(text, action) {
    const made = document.createElement("button");
    made.textContent = text;
    made.style.cssText = "font:inherit;padding:.2rem .8rem;cursor:pointer";
    made.addEventListener("click", action);
    bar.append(made);
  }

  // ------------------------------------------------------------------------------ copies

  function lastCopy() {
    const when = localStorage.getItem(COPIED);
    return when ? `Last copy: ${new Date(when).toLocaleString()}.` : "No copy of your work yet.";
  }

  function openContext() {
    return window.jupyterapp?.shell?.currentWidget?.context;
  }

  async function saveCopy() {
    const context = openContext();
    if (!context) return;
    const text = JSON.stringify(context.model.toJSON(), null, 1) + "\n";
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/x-ipynb+json" }));
    link.download = name.split("/").pop();
    link.click();
    URL.revokeObjectURL(link.href);
    try {
      localStorage.setItem(COPIED, new Date().toISOString());
      await context.save();
      say(lastCopy());
    } catch {
      say("Saved as a file; this browser's storage is full or closed, so keep that file.");
    }
  }

  async function lookAfter(context) {
    context.saveState.connect((_, state) => {
      if (state === "failed") {
        say("This browser's storage is full or closed: save a copy now, nothing is lost yet.");
      }
    });
    keepTried(context.sessionContext);
    await context.ready;
    await context.save(); // so that the lesson opens without a network too
    say(lastCopy());
    if (await isOlder(context)) {
      say("This lesson was improved since you began. Your work is kept; the new one has another name.");
      button("Open the new one", openNew);
    }
  }

  // ------------------------------------------------------------------------------ what was tried

  const KEPT = "kept:"; // before the names of the learner's files, in localStorage

  function keep({ name, text }) {
    const before = localStorage.getItem(KEPT + name) || "";
    try {
      localStorage.setItem(KEPT + name, name.endsWith(".jsonl") ? merged(before, text) : text);
    } catch {
      say("This browser's storage is full: what you try from now on is forgotten when Python stops.");
    }
  }

  function merged(...texts) {
    const lines = texts.join("\n").split("\n").filter(Boolean); // of two windows: none is lost
    return [...new Set(lines)].join("\n") + "\n";
  }

  function handOver(kernel) {
    const names = Object.keys(localStorage).filter((key) => key.startsWith(KEPT));
    const files = names.map((key) => [key.slice(KEPT.length), localStorage.getItem(key)]);
    const code = files.map(([name, text]) => {
      const [file, held] = [name, text].map((one) => JSON.stringify(one)); // as Python writes it too
      return `__import__("pathlib").Path.home().joinpath(${file}).write_text(${held}, encoding="utf-8")`;
    });
    if (files.length) {
      kernel.requestExecute({ code: `(${code.join(", ")}) and None`, silent: true, store_history: false });
    }
  }

  function keepTried(session) {
    new BroadcastChannel("course-files").onmessage = ({ data }) => keep(JSON.parse(data));
    session.statusChanged.connect((_, status) => {
      if (status === "restarting") handOver(session.session.kernel);
    });
    if (session.session?.kernel) handOver(session.session.kernel);
    session.kernelChanged.connect((_, { newValue }) => newValue && handOver(newValue));
  }

  // ------------------------------------------------------------------------------ old pages

  function lockedCells(notebook) {
    const text = (cell) => (Array.isArray(cell.source) ? cell.source.join("") : cell.source);
    return notebook.cells.filter((cell) => cell.metadata?.nbgrader?.locked).map(text);
  }

  async function isOlder(context) {
    const answer = await fetch(new URL(`files/${name}`, root)).catch(() => null);
    if (!answer?.ok) return false;
    const mine = new Set(lockedCells(context.model.toJSON()));
    return lockedCells(await answer.json()).some((source) => !mine.has(source));
  }

  async function openNew() {
    const contents = window.jupyterapp.serviceManager.contents;
    const aside = name.replace(/\.ipynb$/, `_${new Date().toISOString().slice(0, 10)}.ipynb`);
    await contents.rename(name, aside); // the stored one moves; the new one shows in its place
    location.reload();
  }

  async function compareBuilds() {
    const answer = await fetch(new URL("api/course.json", root), { cache: "no-store" }).catch(() => null);
    if (!answer?.ok || (await answer.json()).build === BUILD) return;
    say("This page is older than the course. Your work is kept.");
    button("Load the new one", async () => {
      for (const key of await caches.keys()) await caches.delete(key);
      location.reload();
    });
  }

  // ------------------------------------------------------------------------------ Python

  // JupyterLite makes a kernel's worker seconds after the first cell can be read. Python starts with
  // that cell, not before, which would keep it waiting; the first kernel then takes over that Python.
  function startPython() {
    const Plain = Worker;
    let python;
    const begin = () => (python ??= new Plain(new URL("python.js", root)));
    const drawn = new MutationObserver(() => {
      if (!document.querySelector(".jp-CodeCell")) return;
      drawn.disconnect();
      begin();
    });
    drawn.observe(document.body, { childList: true, subtree: true });
    window.Worker = new Proxy(Plain, {
      construct(_, [url, options]) {
        if (!String(url).includes("/pyodide-kernel-extension/")) return new Plain(url, options);
        window.Worker = Plain; // a kernel that starts anew has a worker of its own
        drawn.disconnect();
        begin().postMessage(String(url));
        return python;
      },
    });
  }

  // ------------------------------------------------------------------------------ start

  async function start() {
    if (typeof WebAssembly === "undefined") {
      say("This browser has no WebAssembly, so lessons cannot run here: use another browser, or install the course.");
      return;
    }
    if (inNotebook) {
      startPython();
      navigator.storage?.persist?.();
      say("Starting Python: the first time about half a minute. An endless loop ends with Kernel → Restart.");
      button("Save a copy", saveCopy);
      while (!openContext()) await new Promise((done) => setTimeout(done, 200));
      await lookAfter(openContext());
    }
    await compareBuilds();
  }

  start();
})();

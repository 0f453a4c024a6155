// The worker in which Python starts, with all that a lesson imports, before there is a kernel.
"use strict";

const FOLDER = new URL("static/pyodide/", self.location).href;
const OPTIONS = { indexURL: FOLDER, packages: @PACKAGES@ };
const IMPORTED = "import piplite.piplite, pyodide_kernel, matplotlib.pyplot, autograder.check, cs231n_lib.train";
let python;

async function begin(loadPyodide) {
  const started = await loadPyodide(OPTIONS);
  started.runPython(IMPORTED);
  return started;
}

// pyodide.js sets this name, here first and later for the kernel, which then gets what has begun.
Object.defineProperty(self, "loadPyodide", {
  set: (load) => (python ??= begin(load)),
  get: () => () => python,
});
self.addEventListener("message", ({ data }) => importScripts(data), { once: true });
importScripts(`${FOLDER}pyodide.js`);

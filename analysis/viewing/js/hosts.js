// Where a view lives: in a notebook, beside a kernel, or in a page without one.

const LINK_MS = 200; // the address follows once a reader pauses: browsers let nobody change it all the time

/** anywidget calls this in JupyterLab, Notebook, VS Code, Colab and Voilà. */
function render({ model, el }) {
  const bytes = model.get("_data");
  const payload = new Payload(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  const view = new View(el, payload, model.get("_state"), (state) => {
    model.set("_state", state);
    model.save_changes();
  });
  const follow = () => {
    if (JSON.stringify(model.get("_state")) !== JSON.stringify(borderState(view)))
      view.follow(model.get("_state"));
  };
  model.on("change:_state", follow);
  return () => {
    model.off("change:_state", follow);
    view.leave();
  };
}

/** Bring every view of a page to life: an element with a state, a table for readers without scripts, and data. */
async function openPage() {
  const hosts = [...document.querySelectorAll("[data-rerank-view]")];
  const hasLink = hosts.length === 1 && location.protocol !== "about:";
  for (const host of hosts) {
    const payload = new Payload(await unpacked(host.querySelector("script").textContent));
    const wanted = JSON.parse(host.dataset.rerankView);
    let timer;
    const changed = () => {
      clearTimeout(timer);
      timer = setTimeout(() => history.replaceState(null, "", linkOf(view)), LINK_MS);
    };
    const view = new View(host, payload, wanted, hasLink ? changed : undefined, hasLink);
    const followLink = () => view.follow(stateOf(location.hash));
    if (hasLink && location.hash) followLink();
    if (hasLink) addEventListener("hashchange", followLink);
  }
}

/** Bytes of a gzip file that is written as base64. */
async function unpacked(text) {
  const letters = atob(text);
  const packed = new Uint8Array(letters.length);
  for (let n = 0; n < packed.length; n++) packed[n] = letters.charCodeAt(n);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

export { Payload, Scores, View, countAll, countQuery, exactDecimal, orderOf, pathOf, pathText };
export default { render };

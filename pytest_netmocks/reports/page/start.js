// Begin.

async function start() {
  if (typeof DecompressionStream === "undefined") {
    fill(one("summary"), "this browser is too old to unpack the page (it has no DecompressionStream)");
    return;
  }
  if (document.documentElement.dataset.live !== undefined) {
    new Live();
    return;
  }
  const app = new App(loadHere);
  app.set(await index());
  const first = app.list.rows.rows[0]?.test;
  if (!location.hash && first && matchMedia("(min-width: 861px)").matches) await app.go({ test: first.title }, true);
  else await app.follow();
}

start();

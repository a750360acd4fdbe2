// Runs first, in old JavaScript: the message for a browser that cannot show the page, and the first request, which is
// sent while the other scripts load.
(function () {
  var OLD = "This browser is too old for this page: it needs one of 2024 or newer.";
  var MISSING = "A part of this page could not be loaded. Reload it.";
  function say(text) {
    console.error(text);
    function show() {
      var place = document.getElementById("problem");
      place.textContent = text;
      place.hidden = false;
    }
    if (document.body) show();
    else document.addEventListener("DOMContentLoaded", show);
  }
  var isNew = window.AbortSignal && AbortSignal.any && window.CSS && CSS.supports("color", "light-dark(red, red)");
  // api.js uses the answer.
  function ask(path) {
    var stop = new AbortController();
    var key = "agent-token " + location.pathname;
    var headers = {};
    try {
      var token = sessionStorage.getItem(key) || localStorage.getItem(key);
      if (token) headers = { Authorization: token, "X-API-Key": token };
    } catch (blocked) {
      // This browser has no storage.
    }
    var answer = fetch(path, { headers: headers, signal: stop.signal, cache: "no-store" });
    answer.catch(function () {}); // the one who takes it reports it
    window.early = { path: path, at: performance.now(), stop: stop, answer: answer };
  }
  var isOne = /[?&]host\b/.test(location.search) || !("fleet" in document.documentElement.dataset);
  if (!isNew) {
    document.documentElement.setAttribute("data-old", "");
    say(OLD);
  } else if (!document.hidden) {
    if (!isOne) ask("fleet");
    else if (!/[?&]wall\b/.test(location.search)) ask("gpu/stream?interval=2");
  }
  // A script that cannot be fetched, or that the browser cannot read.
  window.addEventListener("error", function (event) {
    if (isNew && event.target.tagName === "SCRIPT") say(MISSING);
  }, true);
})();

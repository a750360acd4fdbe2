// Before all else, in the oldest words: what a browser is told that cannot show the page.
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
  if (!isNew) {
    document.documentElement.setAttribute("data-old", "");
    say(OLD);
  }
  // A script that cannot be fetched, or that the browser cannot read.
  window.addEventListener("error", function (event) {
    if (isNew && event.target.tagName === "SCRIPT") say(MISSING);
  }, true);
})();

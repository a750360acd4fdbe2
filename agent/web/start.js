// Before all else, in the oldest words: what a browser is told that cannot show the page, and the colours.
(function () {
  var OLD = "This browser is too old for this page, which needs one of 2024 or newer; the data is at gpu and docs.";
  var MISSING = "A part of this page could not be loaded; reload it.";
  function say(text) {
    function show() {
      var place = document.getElementById("problem");
      place.textContent = text;
      place.hidden = false;
    }
    if (document.body) show();
    else document.addEventListener("DOMContentLoaded", show);
    console.error(text);
  }
  var isOld = typeof AbortSignal === "undefined" || !AbortSignal.any || !window.CSS || !CSS.supports ||
    !CSS.supports("color", "light-dark(red, red)");
  if (isOld) say(OLD);
  window.addEventListener("error", function (event) {
    // A script that cannot be fetched, or that the browser cannot read.
    if (event.target && event.target.tagName === "SCRIPT") say(isOld ? OLD : MISSING);
  }, true);
})();

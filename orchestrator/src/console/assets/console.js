// Times in the reader's own zone, news from the orchestrator, and which details were open. Pages work without it.
(() => {
  "use strict";
  const two = (number) => String(number).padStart(2, "0");
  const zone = () => localStorage.getItem("amends-times") || "local";

  function told(moment, form) {
    const get = (part) => (zone() === "utc" ? moment["getUTC" + part]() : moment["get" + part]());
    const date = `${get("FullYear")}-${two(get("Month") + 1)}-${two(get("Date"))}`;
    const clock = `${two(get("Hours"))}:${two(get("Minutes"))}:${two(get("Seconds"))}`;
    const millis = "." + String(get("Milliseconds")).padStart(3, "0");
    const suffix = zone() === "utc" ? " UTC" : "";
    if (form === "clock") return clock + suffix;
    if (form === "fine") return clock + millis + suffix;
    return `${date} ${clock}${suffix}`;
  }

  // How far the reader's own zone is from UTC at that moment.
  function offset(moment) {
    const minutes = -moment.getTimezoneOffset();
    return `UTC${minutes < 0 ? "-" : "+"}${two(Math.floor(Math.abs(minutes) / 60))}:${two(Math.abs(minutes) % 60)}`;
  }

  function showTimes(root) {
    for (const element of root.querySelectorAll("time[datetime]")) {
      const moment = new Date(element.dateTime);
      if (Number.isNaN(moment.getTime())) continue;
      element.textContent = told(moment, element.dataset.form);
      element.title = `${moment.toString()} = ${moment.toISOString()}`;
    }
    const toggle = document.getElementById("zone");
    if (toggle) {
      toggle.hidden = false;
      toggle.textContent = zone() === "utc" ? "Times: UTC" : `Times: local (${offset(new Date())})`;
      toggle.title = zone() === "utc" ? "Show local times" : "Show UTC";
    }
  }

  // Filters that the reader wants to have again: kept by the browser, shown as links of the list.
  function savedFilters() {
    try { return JSON.parse(localStorage.getItem("amends-filters") || "[]").filter((one) => typeof one === "string"); }
    catch { return []; }
  }

  function showFilters() {
    const place = document.getElementById("saved");
    const field = document.getElementById("q");
    if (!place || !field) return;
    const all = savedFilters();
    place.replaceChildren();
    const keep = document.createElement("button");
    const known = all.includes(field.defaultValue);
    keep.type = "button";
    keep.className = "plain";
    keep.textContent = known ? "Forget this filter" : "Save this filter";
    keep.hidden = field.defaultValue === "";
    keep.addEventListener("click", () => {
      const next = known ? all.filter((one) => one !== field.defaultValue) : [field.defaultValue, ...all].slice(0, 20);
      localStorage.setItem("amends-filters", JSON.stringify(next));
      showFilters();
    });
    place.append(keep);
    for (const filter of all) {
      const link = document.createElement("a");
      link.href = "/list?q=" + encodeURIComponent(filter);
      link.textContent = filter;
      link.className = "tab";
      place.append(link);
    }
  }

  // Within five seconds a page must say that nobody answers: longer than this nobody who is there is silent.
  const SILENCE_MS = 3500;
  let stream = null;
  let lost = null;
  let heard = 0;
  function state(text, away) {
    const place = document.getElementById("link");
    if (place) { place.textContent = text; place.className = away ? "bad" : ""; }
    const notice = document.getElementById("lost");
    if (notice) notice.hidden = !away;
  }
  // Each page says how often it may be asked for; the last news of a burst is never lost.
  let due = null;
  let lastNews = 0;
  function news() {
    const pace = Number(document.getElementById("live")?.dataset.pace || 0);
    if (due) return;
    due = setTimeout(() => {
      due = null;
      lastNews = Date.now();
      htmx.trigger(document.body, "amends-news");
    }, Math.max(0, lastNews + pace - Date.now()));
  }
  function listen() {
    if (stream || !document.getElementById("live")) return;
    stream = new EventSource("/live");
    heard = Date.now();
    stream.addEventListener("here", () => { heard = Date.now(); });
    stream.addEventListener("open", () => {
      heard = Date.now();
      if (lost) { clearTimeout(lost); lost = null; }
      state("live", false);
    });
    stream.addEventListener("news", () => { heard = Date.now(); news(); });
    stream.addEventListener("error", () => {
      if (stream && stream.readyState === EventSource.CLOSED) { stream.close(); stream = null; setTimeout(listen, 1000); }
      if (!lost) lost = setTimeout(() => state("not live", true), 1500);
    });
  }
  // A process that hangs, or a network that carries nothing, keeps the connection: only its silence tells.
  setInterval(() => {
    if (!stream || document.hidden || Date.now() - heard < SILENCE_MS) return;
    state("not live", true);
    stream.close();
    stream = null;
    listen();
  }, 500);
  // A browser opens few connections to one host: whoever is not looked at gives theirs back.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      if (stream) { stream.close(); stream = null; }
      return;
    }
    listen();
    news();
  });

  // Whoever marks text is about to copy it: nothing is exchanged under their hands until they let go.
  let held = false;
  function marks(element) {
    const selection = getSelection();
    return selection && !selection.isCollapsed && element.contains(selection.anchorNode);
  }
  document.addEventListener("selectionchange", () => {
    if (held && getSelection()?.isCollapsed) { held = false; news(); }
  });

  // What is exchanged keeps what the reader has opened, and how far they have scrolled in it.
  let open = [];
  let scrolled = [];
  document.addEventListener("htmx:beforeSwap", (event) => {
    const live = document.getElementById("live");
    if (event.detail.isError || !event.detail.target.contains(live)) return;
    if (marks(live)) {
      held = true;
      event.detail.shouldSwap = false;
      return;
    }
    open = [...live.querySelectorAll("details[open][id]")].map((element) => element.id);
    scrolled = [...live.querySelectorAll(".scroll")].map((element) => [element.scrollLeft, element.scrollTop]);
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target?.id === "live") {
      for (const id of open) document.getElementById(id)?.setAttribute("open", "");
      [...document.querySelectorAll("#live .scroll")].forEach((element, at) => {
        if (scrolled[at]) [element.scrollLeft, element.scrollTop] = scrolled[at];
      });
      stale(false);
    }
    showTimes(document);
  });

  // The stream may live on while pages cannot be read: nobody must take what was for what is.
  function stale(is) {
    const notice = document.getElementById("stale");
    if (notice) notice.hidden = !is;
  }
  document.addEventListener("htmx:responseError", (event) => {
    if (event.detail.target?.id === "live") stale(true);
  });

  document.addEventListener("DOMContentLoaded", () => {
    showTimes(document);
    showFilters();
    document.getElementById("zone")?.addEventListener("click", () => {
      localStorage.setItem("amends-times", zone() === "utc" ? "local" : "utc");
      showTimes(document);
    });
    listen();
  });
})();

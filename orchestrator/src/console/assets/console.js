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
      toggle.textContent = zone() === "utc" ? "Times: UTC" : "Times: local";
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

  let stream = null;
  let lost = null;
  function state(text, away) {
    const place = document.getElementById("link");
    if (place) place.textContent = text;
    const notice = document.getElementById("lost");
    if (notice) notice.hidden = !away;
  }
  function news() {
    htmx.trigger(document.body, "amends-news");
  }
  function listen() {
    if (stream || !document.getElementById("live")) return;
    stream = new EventSource("/live");
    stream.addEventListener("open", () => {
      if (lost) { clearTimeout(lost); lost = null; }
      state("live", false);
    });
    stream.addEventListener("news", news);
    stream.addEventListener("error", () => {
      if (stream && stream.readyState === EventSource.CLOSED) { stream.close(); stream = null; setTimeout(listen, 1000); }
      if (!lost) lost = setTimeout(() => state("not live", true), 1500);
    });
  }
  // A browser opens few connections to one host: whoever is not looked at gives theirs back.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      if (stream) { stream.close(); stream = null; }
      return;
    }
    listen();
    news();
  });

  // What is exchanged keeps what the reader has opened.
  let open = [];
  document.addEventListener("htmx:beforeSwap", () => {
    open = [...document.querySelectorAll("#live details[open][id]")].map((element) => element.id);
  });
  document.addEventListener("htmx:afterSwap", () => {
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    showTimes(document);
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

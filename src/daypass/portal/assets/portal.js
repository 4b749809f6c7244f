// Adds copy buttons, a countdown and a search for roles. The pages work without it. It does not send data anywhere.
"use strict";

const status = document.querySelector("[data-status]");
const say = (text) => { status.textContent = text; };

for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) break;
  const label = button.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
      button.textContent = "Copied";
      say("Copied to the clipboard");
    } catch {
      getSelection().selectAllChildren(document.getElementById(button.dataset.copy));
      button.textContent = "Press Ctrl+C";
      say("Selected. Copy it with the keyboard.");
    }
    setTimeout(() => { button.textContent = label; }, 2000);
  });
}

const two = (number) => String(number).padStart(2, "0");
const left = (milliseconds) => {
  const seconds = Math.floor(milliseconds / 1000);
  const hours = Math.floor(seconds / 3600);
  const rest = `${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return hours ? `${hours}:${rest}` : rest;
};
const every = (seconds, tick) => { if (tick()) { const timer = setInterval(() => tick() || clearInterval(timer), seconds * 1000); } };

// The server sends the number of seconds that remain: the clocks of people's machines are often wrong.
const end = (seconds) => new Date(Date.now() + Number(seconds) * 1000);

for (const clock of document.querySelectorAll("[data-clock]")) {
  const ends = end(clock.dataset.clock);
  const shown = clock.querySelector("[data-left]");
  clock.querySelector("[data-local]").textContent =
    `until ${ends.toLocaleString([], { weekday: "short", hour: "2-digit", minute: "2-digit", timeZoneName: "short" })}`;
  every(1, () => {
    const remains = ends - Date.now();
    clock.classList.toggle("over", remains <= 0);
    shown.textContent = remains > 0 ? `${left(remains)} left` : "Expired";
    return remains > 0;
  });
}

for (const choice of document.querySelectorAll("[data-until]")) {
  const ends = end(choice.dataset.until);
  every(1, () => {
    const remains = ends - Date.now();
    choice.textContent = remains > 0 ? `Choose a role within ${left(remains)}.` : choice.dataset.over;
    return remains > 0;
  });
}

for (const moment of document.querySelectorAll("[data-at]")) {
  const ends = end(moment.dataset.at);
  const isToday = ends.toDateString() === new Date().toDateString();
  const day = isToday ? {} : { weekday: "short", day: "numeric", month: "short" };
  moment.textContent = `at ${ends.toLocaleString([], { ...day, hour: "2-digit", minute: "2-digit" })}`;
}

const box = document.querySelector("[data-filter-box]");
if (box) {
  box.hidden = false;
  for (const button of box.querySelectorAll("[data-without-scripts]")) button.hidden = true;
  box.addEventListener("submit", (event) => event.preventDefault());
  box.querySelector("[data-filter]").addEventListener("input", (event) => {
    const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const account of document.querySelectorAll("[data-account]")) {
      let any = false;
      for (const role of account.querySelectorAll("[data-role]")) {
        role.hidden = !words.every((word) => role.dataset.role.includes(word));
        any ||= !role.hidden;
        shown += !role.hidden;
      }
      account.hidden = !any || (words.length > 0 && account.classList.contains("shortcuts"));
      if (words.length && "open" in account) account.open = any;
    }
    say(`${shown} ${shown === 1 ? "role" : "roles"}`);
  });
}

// These forms are valid once. A second click would discard the response to the first.
let sent = false;
addEventListener("pageshow", () => { sent = false; });
for (const form of document.querySelectorAll("form[data-once]")) {
  form.addEventListener("submit", (event) => {
    if (sent) { event.preventDefault(); return; }
    sent = true;
    event.submitter?.setAttribute("aria-busy", "true");
    say("Please wait");
    setTimeout(() => { sent = false; event.submitter?.removeAttribute("aria-busy"); }, 15000);
  });
}

// The server remembers the favourite and answers without a page, so that this one stays where it is.
for (const form of document.querySelectorAll("[data-stars]")) {
  form.addEventListener("submit", (event) => {
    const star = event.submitter;
    const isOne = star.name === "Add";
    const stay = document.createElement("input");
    Object.assign(stay, { type: "hidden", name: "Stay", value: "1" });
    form.append(stay);
    setTimeout(() => {
      stay.remove();
      for (const each of document.querySelectorAll(`.star[value="${star.value}"]`)) {
        each.name = isOne ? "Remove" : "Add";
        each.setAttribute("aria-pressed", String(isOne));
      }
      say(isOne ? "Added to the favourites" : "Removed from the favourites");
    });
  });
}

// The server keeps the theme in a cookie and answers without a page, so that this one stays.
for (const form of document.querySelectorAll("[data-themes]")) {
  form.addEventListener("submit", (event) => {
    const chosen = event.submitter.value;
    const root = document.documentElement;
    if (chosen === "system") delete root.dataset.theme;
    else root.dataset.theme = chosen;
    document.querySelector("meta[name=color-scheme]").content = chosen === "system" ? "light dark" : chosen;
    for (const button of form.querySelectorAll("button")) button.setAttribute("aria-pressed", String(button === event.submitter));
    const stay = document.createElement("input");
    Object.assign(stay, { type: "hidden", name: "Stay", value: "1" });
    form.append(stay);
    setTimeout(() => stay.remove());
  });
}

const send = document.querySelector("form[data-send]");
// A browser that is slow keeps this page in the history: going back to it means going back to the page before.
const isBack = performance.getEntriesByType("navigation")[0]?.type === "back_forward";
if (send && isBack) history.back();
else if (send) send.submit();
if (location.search.includes("code=")) history.replaceState(null, "", location.pathname);

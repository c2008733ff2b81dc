/* Refreshes relative times and countdowns; the words are those of web/pages/formatting.py. */
const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR;

const dayNumber = (ms) => Math.floor(ms / DAY);

export function relative(then, now) {
  const past = now - then;
  if (past < 0) return null;
  if (past < MINUTE) return `${Math.max(1, Math.floor(past / SECOND))} s ago`;
  if (past < HOUR) return `${Math.floor(past / MINUTE)} min ago`;
  const days = dayNumber(now) - dayNumber(then);
  if (past < 12 * HOUR || days === 0) return `${Math.floor(past / HOUR)} h ago`;
  if (days === 1) return "yesterday";
  return days < 7 ? `${days} days ago` : null;
}

export function left(then, now) {
  const ms = then - now;
  if (ms <= 0) return "ended";
  const days = Math.floor(ms / DAY), hours = Math.floor((ms % DAY) / HOUR), minutes = Math.floor((ms % HOUR) / MINUTE);
  if (days) return hours ? `in ${days} d ${hours} h` : `in ${days} d`;
  if (hours) return minutes ? `in ${hours} h ${minutes} min` : `in ${hours} h`;
  return minutes ? `in ${minutes} min` : `in ${Math.ceil(ms / SECOND)} s`;
}

function refresh() {
  const now = Date.now() + skew;
  for (const time of document.querySelectorAll("time[data-relative]")) {
    const words = relative(Date.parse(time.dateTime), now);
    if (words) time.textContent = words;
  }
  for (const time of document.querySelectorAll("time[data-left]")) time.textContent = left(Date.parse(time.dateTime), now);
}

/* The page carries the server's time, so a wrong clock on this computer changes nothing. */
const stamp = document.querySelector("meta[name='server-time']");
const skew = stamp ? Date.parse(stamp.content) - Date.now() : 0;
setInterval(refresh, 15 * SECOND);

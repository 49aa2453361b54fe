// Nights, on the clock of who reads: what happened while nobody was at work.

const EVENING_HOUR = 18;
const MORNING_HOUR = 9;
const DAY_MS = 86_400_000;

const at = (day: Date, hour: number) =>
  new Date(day.getFullYear(), day.getMonth(), day.getDate(), hour, 0, 0, 0);

/** The night that is, or the last one that was. */
export function lastNight(now: Date): { since: Date; until: Date } {
  const evening = at(now, EVENING_HOUR);
  if (now >= evening) return { since: evening, until: new Date(now.getTime() + DAY_MS) };
  const yesterday = new Date(now.getFullYear(), now.getMonth(), now.getDate() - 1);
  return { since: at(yesterday, EVENING_HOUR), until: at(now, MORNING_HOUR) };
}

/** The day on which the shift of a time began, and whether it is a night's. */
export function shiftOf(time: Date): { night: boolean; day: Date } {
  const hour = time.getHours();
  const night = hour >= EVENING_HOUR || hour < MORNING_HOUR;
  const back = hour < MORNING_HOUR ? 1 : 0;
  return { night, day: new Date(time.getFullYear(), time.getMonth(), time.getDate() - back) };
}

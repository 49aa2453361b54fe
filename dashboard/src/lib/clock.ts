// Times that are entered: a day and a clock of who reads the page.

/** What a `datetime-local` input shows for a time. */
export function localText(time: Date): string {
  const shifted = new Date(time.getTime() - time.getTimezoneOffset() * 60_000);
  return shifted.toISOString().slice(0, 16);
}

/** The time that such a text means, or nothing where it means none. */
export function timeOf(text: string): Date | undefined {
  const time = new Date(text);
  return Number.isNaN(time.getTime()) ? undefined : time;
}

// What a trial's result means: silence of rules that did not watch is no proof that they would be silent. Pure; words by
// argument.
import type { RuleTried, TrialResult } from '../api/detection'
import { clockTime, countdown } from './times'
import type { Words } from './why'

/** Seconds; of what is longer, the seconds since it began say nothing to a person, and the clock does. */
const BY_THE_CLOCK = 600

/** A moment of what was gone through. */
export function moment({ starts_at, seconds }: TrialResult, at: number, nowMs: number, t: Words): string {
  return seconds > BY_THE_CLOCK ? clockTime(new Date(1000 * (starts_at + at)).toISOString(), nowMs) : t('trial.second', { at: at.toFixed(1) })
}

/** How much was gone through. */
export function length(seconds: number, t: Words): string {
  return seconds > BY_THE_CLOCK ? countdown(seconds) : t('trial.seconds', { seconds: Math.round(seconds) })
}

/** Whether every rule watched all that was gone through, and that was long enough to fire. */
export function watchedThroughout({ looks, rules, unusable, seconds, unseen_seconds, frozen_seconds, other_view_seconds }: TrialResult): boolean {
  const watched = (one: RuleTried): boolean => !one.blind && one.off_hours_seconds + one.unasked_seconds === 0 && one.needs_seconds <= seconds
  return looks > 0 && unusable.length === 0 && unseen_seconds + frozen_seconds + other_view_seconds === 0 && rules.length > 0 && rules.every(watched)
}

/** What is to be known of how a rule was tried; nothing where it watched all the film, as it is. */
export function caveats(rule: RuleTried, seconds: number, t: Words): string[] {
  const said: string[] = []
  if (rule.off) said.push(t('trial.off'))
  if (rule.blind) said.push(t('trial.blind'))
  const outside = Math.round(rule.off_hours_seconds)
  if (rule.off_hours_seconds > 0 && outside >= Math.round(seconds)) said.push(t('trial.offHoursAll'))
  else if (rule.off_hours_seconds > 0) said.push(t('trial.offHours', { outside: Math.max(1, outside), seconds: Math.round(seconds) }))
  else if (rule.needs_seconds > seconds) said.push(t('trial.tooShort', { needs: Math.round(rule.needs_seconds) }))
  if (rule.unasked_seconds > 0) said.push(t(rule.hazard === 'crowd' ? 'trial.uncounted' : 'trial.unsearched', { length: length(rule.unasked_seconds, t) }))
  return said
}

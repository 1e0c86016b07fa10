// Alerts as the gateway shows them, and what follows from their state. Pure; time by argument.
import type { Why } from './why'

export interface Evidence {
  id: string
  kind: 'snapshot' | 'clip' | 'before_photo' | 'after_photo' | (string & {})
  media_type: string
  starts_at: string
  ends_at: string
  partial: boolean
  sha256: string
  size: number
  added_by: string | null
}

export interface Alert {
  id: string
  platform: string
  camera_code: string
  camera_name: string
  zone: string
  hazard: string
  class_code: string
  class_name: string
  state: string
  grid: string | null
  address: string
  hazard_from: string
  raised_at: string
  last_seen_at: string
  ended_at: string | null
  acknowledge_until: string
  assess_until: string | null
  acknowledged_by: string | null
  assessed_by: string | null
  assessed_at: string | null
  reason: string
  score: number
  sightings: number
  event_no: string | null
  merged_into: string | null
  drill: boolean
  evidence: Evidence[]
  why: Why
  revision: number
}

export type Verdict = 'confirmed' | 'false_positive' | 'merged'

export function undecided(alert: Alert): boolean {
  return alert.state === 'detected' || alert.state === 'acknowledged'
}

/** Still wants somebody: nobody has decided, or it became an event by itself and its hazard lasts. */
export function wantsAttention(alert: Alert): boolean {
  return undecided(alert) || (alert.state === 'auto_promoted' && alert.ended_at === null)
}

/** The verdicts that the alert's state still takes. */
export function verdictsOf(alert: Alert): readonly Verdict[] {
  if (undecided(alert)) return ['confirmed', 'false_positive', 'merged']
  return alert.state === 'auto_promoted' ? ['confirmed', 'false_positive'] : []
}

export interface Window {
  kind: 'acknowledge' | 'assess'
  until: string
}

/** The window that runs now: when it lapses the alert becomes an event by itself. */
export function windowOf(alert: Alert): Window | null {
  if (alert.state === 'detected') return { kind: 'acknowledge', until: alert.acknowledge_until }
  if (alert.state === 'acknowledged' && alert.assess_until !== null) return { kind: 'assess', until: alert.assess_until }
  return null
}

/** The picture of the moment it was raised, of which its reasons speak; it has the alert's own id. */
export function snapshotOfRaising(alert: Alert): Evidence | null {
  return alert.evidence.find((one) => one.kind === 'snapshot' && one.id === alert.id) ?? null
}

/** Why an alert was told without its snapshot, as its worker's disk has it, and what that is called; null: none says so. */
export function snapshotWanting(why: Why): string | null {
  return wordsOfWanting(why['snapshot'])
}

export function wordsOfWanting(wanting: unknown): string | null {
  switch (wanting) {
    case 'not_written':
      return 'evidence.unwritten'
    case 'not_answered':
      return 'evidence.unanswered'
    case 'given_up':
      return 'evidence.givenUp'
    default:
      return null
  }
}

/** Seconds from the first sight of the hazard to the alert. */
export function tookSeconds(alert: Alert): number | null {
  const took = (Date.parse(alert.raised_at) - Date.parse(alert.hazard_from)) / 1000
  return Number.isFinite(took) && took >= 0 ? took : null
}

/** The latest picture: a hazard that was seen again shows how it looks now. */
export function snapshotOf(evidence: readonly Evidence[]): Evidence | null {
  return evidence.findLast((one) => one.kind === 'snapshot') ?? null
}

// How a camera is watched, what officers rejected at it, and rules tried on recorded footage.
import type { Rule } from '../domain/rule'
import type { Why } from '../domain/why'
import { fetchJson, query, type List } from './http'

export interface Watching {
  looks_per_second: number | null
  looks_per_second_asked: number | null
  /** Seconds from a picture's arrival to the rules' verdict. */
  delay_seconds: number | null
  rate_unmet: boolean | null
  /** Of the pictures of the last minute, those that the engine did not look at. */
  left_out_share: number | null
  alerts: number
  assessed: number
  false_positive: number
  false_share: number | null
}

export interface Suppression {
  id: string
  hazard: string
  zone: string
  /** The view in which it holds; empty: one that nobody stored, null: of a camera never steered. */
  preset: string | null
  created_by: string
  created_at: string
  until: string
  held_back: number
}

export interface TrialAlert {
  hazard: string
  zone: string
  raised_at: number
  hazard_from: number
  score: number
  why: Why
}

export interface Stretch {
  hazard: string
  zone: string
  phase: string
  start: number
  end: number
  progress: number
  /** Rejections without which it would have fired. */
  held_back: string[]
}

/** How far a rule watched the film. */
export interface RuleTried {
  hazard: string
  zone: string
  /** Turned off, and tried as if it were on. */
  off: boolean
  /** Of the film, those outside the rule's hours. */
  off_hours_seconds: number
  /** How long a hazard must be in sight before it fires. */
  needs_seconds: number
  /** The weights cannot tell what it waits for. */
  blind: boolean
  /** Of what was seen lately, those in which what it needs was not asked: no rule of that time had wanted it. */
  unasked_seconds: number
}

/** A rule of the camera that cannot be used as it is, and was not tried. */
export interface UnusableTried {
  hazard: string
  zone: string
  zh: string
  en: string
}

export interface TrialResult {
  /** Seconds since the epoch. */
  starts_at: number
  seconds: number
  looks: number
  /** Of all, those in which nobody looked: the camera was away. */
  unseen_seconds: number
  /** Of all, those in which the picture stood frozen: fire alone was watched for. */
  frozen_seconds: number
  /** Of all, those in which the camera looked elsewhere than the rules are for. */
  other_view_seconds: number
  cut: boolean
  /** Since when what was seen is kept, seconds since the epoch; null: of a film. */
  log_from: number | null
  /** How many of the camera's rejections were heeded; null: it was tried for none. */
  rejections: number | null
  rules: RuleTried[]
  unusable: UnusableTried[]
  alerts: TrialAlert[]
  timeline: Stretch[]
}

export interface TrialListed {
  id: string
  state: 'running' | 'done' | 'failed'
  progress: number
  camera_code: string | null
  /** The view that the rules are for; null: of a camera never steered, or of none. */
  preset: string | null
  asked_by: string
  began_at: string
  zh: string
  en: string
}

export interface Trial extends TrialListed {
  result: TrialResult | null
}

/** `rules` null: those that hold for the camera; `preset` null: in the view it has now. */
export interface Tried {
  code: string
  preset: string | null
  rules: readonly Rule[] | null
}

export function getWatching(code: string): Promise<Watching> {
  return fetchJson<Watching>(`/cameras/${encodeURIComponent(code)}/watching`)
}

export async function listSuppressions(code: string): Promise<Suppression[]> {
  const asked = query({ camera_code: code, in_force: true })
  return (await fetchJson<List<Suppression>>(`/suppressions${asked}`)).items
}

export async function undoSuppression(id: string): Promise<void> {
  await fetchJson<Suppression>(`/suppressions/${encodeURIComponent(id)}/undo`, { method: 'POST' })
}

const UPLOAD_LIMIT_MS = 600_000

/** Bring a film and try rules on it. `startsAt`: when it begins, an ISO time; null: now. */
export async function beginTrial(film: Blob, tried: Tried, startsAt: string | null): Promise<Trial> {
  const brought = { method: 'PUT', body: film, contentType: 'application/octet-stream', limitMs: UPLOAD_LIMIT_MS } as const
  const { footage_id } = await fetchJson<{ footage_id: string }>('/trials/footage', brought)
  return fetchJson<Trial>('/trials', { method: 'POST', json: { footage_id, starts_at: startsAt, ...asked(tried) } })
}

/** Try rules on a recording of the camera. */
export function tryOnRecording(recordingId: string, tried: Tried): Promise<Trial> {
  return fetchJson<Trial>('/trials', { method: 'POST', json: { recording_id: recordingId, ...asked(tried) } })
}

/** Try rules on what was seen at the camera in a day. `startsAt`: its beginning, an ISO time; null: the newest. */
export function tryOnLooks(tried: Tried, startsAt: string | null): Promise<Trial> {
  return fetchJson<Trial>('/trials', { method: 'POST', json: { looks: true, starts_at: startsAt, ...asked(tried) } })
}

function asked({ code, preset, rules }: Tried): object {
  return { camera_code: code, preset, rules }
}

/** The last ones in sight, the newest first; one of them may run. */
export function listTrials(): Promise<TrialListed[]> {
  return fetchJson<TrialListed[]>('/trials')
}

export function getTrial(id: string): Promise<Trial> {
  return fetchJson<Trial>(`/trials/${encodeURIComponent(id)}`)
}

export function stopTrial(id: string): Promise<Trial> {
  return fetchJson<Trial>(`/trials/${encodeURIComponent(id)}/stop`, { method: 'POST' })
}

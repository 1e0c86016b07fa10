// `/api/v1/models`: the weights in force, what new ones in shadow see otherwise, and putting those in force.
import { API, fetchJson, query, type List } from './http'

/** Weights by name; `card_sha256` tells apart two whose detector is the same. */
export interface WeightsNamed {
  name: string
  sha256: string
  card_sha256: string
}

export interface Weights extends WeightsNamed {
  classes: string[]
  /** Height and width in px. */
  input_size: [number, number]
  precision: string
  licence: string
  note: string
  thresholds: Record<string, number>
  figures_on_test: Record<string, number | null>
  fails_where: string[]
  fails_where_zh: string[]
  /** Hazards that these weights cannot tell. */
  blind_to: string[]
  trained_from: { pictures?: Record<string, number | string>; licences?: Record<string, Record<string, number>> }
}

export interface Models {
  /** What the engine looks with from its next start on; `running`: now. */
  in_force: Weights
  running: WeightsNamed | null
  /** What a withdrawal brings back. */
  before: WeightsNamed | null
  source: 'shipped' | 'promoted' | 'settings'
  /** The file of promoted weights, from which training can go on. */
  train_from: string | null
  ready: boolean
  /** Since the engine began. */
  looks: number
  looks_dropped: number
  looks_waiting: number
  shadow: Weights | null
  /** Why the weights in shadow cannot be put in force. */
  shadow_problem: { reason: string; detail: string; detail_en: string } | null
  shadow_looks: number
  shadow_differing: number
  kept: number
  counted: { label: string; only_old: number; only_new: number }[]
}

export interface Difference {
  seen_by: 'old' | 'new'
  label: string
  score: number
  box: [number, number, number, number] | null
}

export interface DifferingLook {
  id: string
  at: string
  camera_code: string
  camera_name: string
  differences: Difference[]
}

export function getModels(): Promise<Models> {
  return fetchJson<Models>('/models')
}

export function listDifferences(label: string | null, limit: number, offset: number): Promise<List<DifferingLook>> {
  return fetchJson<List<DifferingLook>>(`/models/differences${query({ label, limit, offset })}`)
}

/** Where the picture of a difference lies, for an `<img>`, under a grant. */
export function differencePictureUrl(id: string, grant: string): string {
  return `${API}/models/differences/${encodeURIComponent(id)}/picture.jpg${query({ grant })}`
}

const meant = ({ sha256, card_sha256 }: WeightsNamed): object => ({ sha256, card_sha256 })

/** `shadow`: those that were looked through; refused where others are in shadow by now. */
export function promoteWeights(shadow: WeightsNamed): Promise<Models> {
  return fetchJson<Models>('/models/promote', { method: 'POST', json: meant(shadow) })
}

/** `inForce`: those that are taken back; refused where others are in force by now. */
export function withdrawWeights(inForce: WeightsNamed): Promise<Models> {
  return fetchJson<Models>('/models/withdraw', { method: 'POST', json: meant(inForce) })
}

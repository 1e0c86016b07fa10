// `/api/v1/models`: the weights in force, what new ones in shadow see otherwise, and putting those in force.
import { API, fetchJson, query, type List } from './http'

export interface Weights {
  name: string
  sha256: string
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
  in_force: Weights
  source: 'shipped' | 'promoted' | 'settings'
  ready: boolean
  /** Since the engine began. */
  looks: number
  looks_dropped: number
  looks_waiting: number
  shadow: Weights | null
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

export function promoteWeights(sha256: string): Promise<Models> {
  return fetchJson<Models>('/models/promote', { method: 'POST', json: { sha256 } })
}

export function withdrawWeights(): Promise<Models> {
  return fetchJson<Models>('/models/withdraw', { method: 'POST' })
}

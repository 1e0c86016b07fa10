// `/api/v1/cameras`: the records, what is found on the network, rules, and the latest picture.
import type { Camera } from '../domain/camera'
import type { CameraDescription } from '../domain/camera_description'
import type { Rule } from '../domain/rule'
import { API, fetchJson, query, send, type List } from './http'

/** A camera is asked itself before it is kept, which takes the gateway up to 27 seconds. */
const ASKED_LIMIT_MS = 35_000

const of = (code: string): string => `/cameras/${encodeURIComponent(code)}`

export function listCameras(text: string, limit: number, signal?: AbortSignal): Promise<List<Camera>> {
  const asked = query({ text: text === '' ? null : text, limit })
  return fetchJson<List<Camera>>(`/cameras${asked}`, signal ? { signal } : {})
}

export function getCamera(code: string): Promise<Camera> {
  return fetchJson<Camera>(of(code))
}

/** What is registered; what is left out of a change stays as it is. */
export interface CameraAsked {
  onvif_address?: string
  rtsp_url?: string
  username?: string
  password?: string
  name?: string
  lng?: number
  lat?: number
  address?: string
  note?: string
  status?: 'in_use' | 'stopped'
  clear_login?: boolean
  device_events?: boolean
  description?: Partial<CameraDescription>
  endpoint_reference?: string
  revision?: number
}

export function registerCamera(asked: CameraAsked): Promise<Camera> {
  return fetchJson<Camera>('/cameras', { method: 'POST', json: asked, limitMs: ASKED_LIMIT_MS })
}

export function changeCamera(code: string, asked: CameraAsked): Promise<Camera> {
  return fetchJson<Camera>(of(code), { method: 'PATCH', json: asked, limitMs: ASKED_LIMIT_MS })
}

export async function removeCamera(code: string): Promise<void> {
  await send(of(code), { method: 'DELETE' })
}

export interface Device {
  address: string
  endpoint_reference: string
  name: string
  model: string
  scopes: string[]
  found_by: 'multicast' | 'directed' | 'sweep'
  ways: string[]
  /** Of the camera as which the device is registered already. */
  code: string | null
}

/** Without targets the whole network is searched; with them these alone. */
export async function discoverCameras(targets: readonly string[]): Promise<Device[]> {
  const ask = { method: 'POST', json: { targets }, limitMs: ASKED_LIMIT_MS } as const
  return (await fetchJson<{ devices: Device[] }>('/cameras/discover', ask)).devices
}

/** A search that goes on by itself: `asked` of `total` addresses, `found` devices so far. */
export interface DiscoveryJob {
  id: string
  state: 'running' | 'done' | 'cancelled' | 'failed'
  detail: string | null
  detail_en: string | null
  found: number
  asked: number
  total: number
}

export interface DiscoveryResult extends DiscoveryJob {
  devices: Device[]
}

const DISCOVERIES = '/cameras/discoveries'

export function startDiscovery(ranges: readonly string[], ports: readonly number[]): Promise<DiscoveryJob> {
  return fetchJson<DiscoveryJob>(DISCOVERIES, { method: 'POST', json: { ranges, ports } })
}

export function getDiscovery(id: string): Promise<DiscoveryResult> {
  return fetchJson<DiscoveryResult>(`${DISCOVERIES}/${encodeURIComponent(id)}`)
}

export function cancelDiscovery(id: string): Promise<DiscoveryResult> {
  return fetchJson<DiscoveryResult>(`${DISCOVERIES}/${encodeURIComponent(id)}`, { method: 'DELETE' })
}

export interface ImportReport {
  dry_run: boolean
  rows: number
  added: number
  changed: number
  unchanged: number
  faulty: number
  ignored_columns: string[]
  faults: { row: number; code: string; field: string; reason: string; zh: string; en: string }[]
}

/** A workbook of 10,000 rows takes the gateway a while to read. */
const SHEET_LIMIT_MS = 120_000

export function importCameras(sheet: Blob, dryRun: boolean): Promise<ImportReport> {
  const ask = { method: 'POST', body: sheet, contentType: 'application/octet-stream', limitMs: SHEET_LIMIT_MS } as const
  return fetchJson<ImportReport>(`/cameras/import${query({ dry_run: dryRun })}`, ask)
}

export async function exportCameras(format: 'csv' | 'xlsx'): Promise<{ content: Blob; name: string }> {
  const answer = await send(`/cameras/export${query({ format })}`, { limitMs: SHEET_LIMIT_MS })
  const name = /filename="([^"]+)"/.exec(answer.headers.get('content-disposition') ?? '')?.[1]
  return { content: await answer.blob(), name: name ?? `cameras.${format}` }
}

export interface PtzAsked {
  action: 'continuous' | 'stop' | 'goto_preset' | 'set_preset' | 'remove_preset'
  pan?: number
  tilt?: number
  zoom?: number
  seconds?: number
  preset?: string
  name?: string
}

export interface PtzState {
  moving: boolean | null
  presets: { token: string; name: string }[]
  at: string | null
}

export function getPtz(code: string): Promise<PtzState> {
  return fetchJson<PtzState>(`${of(code)}/ptz`)
}

/** `offered`: the camera has a loudspeaker that can be spoken through; else `detail` says why not. */
export interface Talk {
  offered: boolean
  detail: string | null
  detail_en: string | null
}

export function getTalk(code: string): Promise<Talk> {
  return fetchJson<Talk>(`${of(code)}/talk`)
}

export function steer(code: string, asked: PtzAsked): Promise<{ preset: string | null; at: string | null }> {
  return fetchJson(`${of(code)}/ptz`, { method: 'POST', json: asked })
}

export interface CredentialSet {
  id: string
  name: string
  networks: string[]
  username: string
  position: number
  cameras: number
  revision: number
}

export interface CredentialSetAsked {
  name?: string
  networks?: string[]
  username?: string
  password?: string
  revision?: number
}

export async function listCredentialSets(): Promise<CredentialSet[]> {
  return (await fetchJson<{ items: CredentialSet[] }>('/credential-sets')).items
}

export function addCredentialSet(asked: CredentialSetAsked): Promise<CredentialSet> {
  return fetchJson<CredentialSet>('/credential-sets', { method: 'POST', json: asked })
}

export function changeCredentialSet(id: string, asked: CredentialSetAsked): Promise<CredentialSet> {
  return fetchJson<CredentialSet>(`/credential-sets/${encodeURIComponent(id)}`, { method: 'PATCH', json: asked })
}

export async function removeCredentialSet(id: string): Promise<void> {
  await send(`/credential-sets/${encodeURIComponent(id)}`, { method: 'DELETE' })
}

/** A rule that was set under an older version and cannot be used: it does not watch. */
export interface UnusableRule {
  kind: string
  zone: string
  detail: string
  detail_en: string
}

export interface Rules {
  rules: readonly Rule[]
  /** They are gone with the next change. */
  unusable: readonly UnusableRule[]
  /** False: the camera was given none, and the installation's first values hold. */
  own: boolean
  revision: number
  /** The view they are for; null: of a camera never steered, empty: a view nobody stored. */
  preset: string | null
  /** The views that have rules of their own. */
  presets: string[]
}

/** `preset` null: those of the view the camera has now. */
export function getRules(code: string, preset: string | null = null): Promise<Rules> {
  return fetchJson<Rules>(`${of(code)}/rules${query({ preset })}`)
}

/** `rules` null: back to the first values; `preset` left out: the view the camera has now. */
export interface RulesAsked {
  rules: readonly Rule[] | null
  revision: number
  preset?: string
}

export function putRules(code: string, asked: RulesAsked): Promise<Rules> {
  return fetchJson<Rules>(`${of(code)}/rules`, { method: 'PUT', json: asked })
}

export interface Snapshot {
  jpeg: Blob
  takenAt: string | null
}

export async function fetchSnapshot(code: string, grant: string): Promise<Snapshot> {
  const answer = await send(`${of(code)}/snapshot.jpg${query({ grant })}`, { headers: { Accept: 'image/jpeg' } })
  return { jpeg: await answer.blob(), takenAt: answer.headers.get('x-taken-at') }
}

/** One change of a camera's health; `picture`: whether the picture that was judged is kept. */
export interface HealthChange {
  id: string
  state: string
  reason: string
  detail: string
  detail_en: string
  at: string
  picture: boolean
}

export function getHealthHistory(code: string, limit = 50): Promise<List<HealthChange>> {
  return fetchJson<List<HealthChange>>(`${of(code)}/health/history${query({ limit })}`)
}

/** What the camera sees now is as it should be. */
export async function learnScene(code: string): Promise<void> {
  await send(`${of(code)}/health/learn`, { method: 'POST' })
}

/** Where the picture of a change lies, for an `<img>`, under a grant. */
export function healthPictureUrl(code: string, change: string, grant: string): string {
  return `${API}${of(code)}/health/history/${change}/picture.jpg${query({ grant })}`
}

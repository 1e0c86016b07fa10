// `/api/v1/platforms`, `/grids`, `/grid-staff`, `/dispatch-rules` and `/code-tables`: the tree, its grids, and whose events are.
import type { Responsible } from '../domain/event'
import type { Hours } from '../domain/rule'
import { fetchJson, query, send, type List } from './http'

export interface PlatformNode {
  code: string
  name: string
  kind: string
  parent: string | null
  division: string
  grids: number
  revision: number
}

export type Geometry = { type: string; coordinates: unknown }

export interface Grid {
  code: string
  name: string
  kind: string
  division: string
  platform: string
  revision: number
  outline?: Geometry
}

export interface ImportFault {
  row: number
  code: string
  field: string
  reason: string
  zh: string
  en: string
  where?: Geometry | null
}

export interface Finding {
  kind: 'overlap' | 'gap' | 'hole'
  codes: string[]
  area_m2: number
  where: Geometry
  zh: string
  en: string
}

export interface GridImport {
  dry_run: boolean
  added: number
  changed: number
  unchanged: number
  left_out: number
  faults: ImportFault[]
  findings: Finding[]
  finding_count: number
  notes: { reason: string; zh: string; en: string }[]
}

export const listTree = (): Promise<List<PlatformNode>> => fetchJson('/platforms')

export function addPlatform(json: Partial<PlatformNode>): Promise<PlatformNode> {
  return fetchJson('/platforms', { method: 'POST', json })
}

export function changePlatform(code: string, json: object): Promise<PlatformNode> {
  return fetchJson(`/platforms/${code}`, { method: 'PATCH', json })
}

export async function removePlatform(one: PlatformNode): Promise<void> {
  await send(`/platforms/${one.code}${query({ revision: one.revision })}`, { method: 'DELETE' })
}

const PAGE = 1000

/** Every grid in scope, page by page. */
export async function listGrids(outlines: boolean): Promise<Grid[]> {
  const found: Grid[] = []
  for (;;) {
    const page = await fetchJson<List<Grid>>(`/grids${query({ outlines, limit: PAGE, offset: found.length })}`, { limitMs: 60_000 })
    found.push(...page.items)
    if (page.items.length === 0 || found.length >= page.total) return found
  }
}

export function importGrids(file: Blob, dryRun: boolean): Promise<GridImport> {
  const ask = { method: 'POST', body: file, contentType: 'application/geo+json', limitMs: 120_000 } as const
  return fetchJson(`/grids/import${query({ dry_run: dryRun })}`, ask)
}

export interface Staff {
  id: string
  platform: string
  name: string
  post: string
  username: string | null
  grids: string[]
  days: number[]
  hours: Hours[]
  phone: string | null
  leave_from: string | null
  leave_until: string | null
  replacement: string | null
  replacement_name: string | null
  on_duty: boolean
  on_leave: boolean
  note: string
  revision: number
}

export interface StaffImport {
  dry_run: boolean
  rows: number
  added: number
  changed: number
  unchanged: number
  faulty: number
  ignored_columns: string[]
  faults: ImportFault[]
}

export function listStaff(name = ''): Promise<List<Staff>> {
  return fetchJson(`/grid-staff${query({ name: name || null, limit: 1000 })}`)
}

export function saveStaff(id: string | null, json: object): Promise<Staff> {
  return id === null ? fetchJson('/grid-staff', { method: 'POST', json }) : fetchJson(`/grid-staff/${id}`, { method: 'PATCH', json })
}

export async function removeStaff(one: Staff): Promise<void> {
  await send(`/grid-staff/${one.id}${query({ revision: one.revision })}`, { method: 'DELETE' })
}

export function staffPhone(id: string): Promise<{ phone: string | null }> {
  return fetchJson(`/grid-staff/${id}/phone`)
}

export function importStaff(file: Blob, dryRun: boolean): Promise<StaffImport> {
  const ask = { method: 'POST', body: file, contentType: file.type || 'text/csv', limitMs: 120_000 } as const
  return fetchJson(`/grid-staff/import${query({ dry_run: dryRun })}`, ask)
}

export interface DispatchRule {
  id: string
  number: number
  platform: string
  name: string
  class_code: string
  place: 'any' | 'platform' | 'grid'
  place_code: string
  days: number[]
  hours: Hours[]
  department: string
  staff: string | null
  grid_staff: boolean
  priority: number
  fallback: boolean
  enabled: boolean
  revision: number
}

export interface DryRun {
  responsible: Responsible
  grid: string | null
  platform: string
  at: string
  rules: number[]
}

export interface Gap {
  class_code: string
  class_name: string
  platform: string
  grids: string[]
  grid_count: number
  when: 'always' | 'at_times'
  basis: 'fallback' | 'hub'
  department: string
}

export const listRules = (): Promise<List<DispatchRule>> => fetchJson('/dispatch-rules')
export const findGaps = (): Promise<List<Gap> & { of: number }> => fetchJson('/dispatch-rules/gaps', { limitMs: 60_000 })

export function saveRule(id: string | null, json: object): Promise<DispatchRule> {
  return id === null ? fetchJson('/dispatch-rules', { method: 'POST', json }) : fetchJson(`/dispatch-rules/${id}`, { method: 'PATCH', json })
}

export async function removeRule(one: DispatchRule): Promise<void> {
  await send(`/dispatch-rules/${one.id}${query({ revision: one.revision })}`, { method: 'DELETE' })
}

export function dryRun(asked: { class_code: string; grid?: string | null; at?: string | null }): Promise<DryRun> {
  return fetchJson(`/dispatch-rules/dry-run${query(asked)}`)
}

export interface EventClass {
  code: string
  name: string
  category: string
  level: number
  warning_colour: string
  clock: string
  amount: number
  hazard: string | null
  condition: string
  close: string
  same_slot: boolean
}

export interface CodeTables {
  class_version: string
  classes: EventClass[]
  holiday_years: number[]
  imported: { kind: string; name: string; version: string; changed_at: string; revision: number }[]
}

export const codeTables = (): Promise<CodeTables> => fetchJson('/code-tables')

export async function importCodeTable(file: Blob): Promise<void> {
  await send('/code-tables/import', { method: 'POST', body: file, contentType: 'application/json' })
}

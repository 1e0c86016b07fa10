// `/api/v1/room-plans`, and what a plan is made of: event classes and grids.
import { fetchJson, query, send, type List } from './http'

export const ANY = '*'

export interface Invitee {
  name: string
  username: string | null
  address: string | null
}

export interface Plan {
  class_code: string
  grid: string
  invitees: Invitee[]
  cameras: string[]
  nearest: number
  /** `*`, or the mode (平战) it is for. */
  mode: '*' | 'peace' | 'wartime'
  /** The room opens by itself when such an event is escalated. */
  opens: boolean
}

/** `approved_by`: in whose name it calls terminals and cameras by itself; null: in nobody's. */
export type KeptPlan = Plan & { id: string; author: string | null; approved_by: string | null; approved_at: string | null }

export function listPlans(): Promise<KeptPlan[]> {
  return fetchJson<KeptPlan[]>('/room-plans')
}

/** Sets the plan of its class and grid; one that stands is replaced. */
export async function putPlan(plan: Plan): Promise<void> {
  await send('/room-plans', { method: 'PUT', json: plan })
}

/** From now on the plan is a standing order in one's own name. */
export async function approvePlan(id: string): Promise<void> {
  await send(`/room-plans/${id}/approval`, { method: 'POST' })
}

export async function deletePlan(id: string): Promise<void> {
  await send(`/room-plans/${id}`, { method: 'DELETE' })
}

export interface Named {
  code: string
  name: string
}

export async function eventClasses(): Promise<Named[]> {
  return (await fetchJson<{ classes: Named[] }>('/code-tables')).classes
}

export async function namedGrids(): Promise<Named[]> {
  return (await fetchJson<List<Named>>(`/grids${query({ limit: 1000 })}`)).items
}

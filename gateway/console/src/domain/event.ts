// Grid events as the gateway shows them, and the steps that state and role allow. The gateway decides; this table only
// keeps the console from offering what would be refused (gateway/events/event_states.py).
import type { Evidence } from './alert'

export interface FlowStep {
  at: string
  from_state: string | null
  to_state: string
  action: string
  operator: string
  opinion: string
}

export interface GridEvent {
  id: string
  no: string
  platform: string
  state: string
  hazard: string
  class_code: string
  class_name: string
  level: number
  warning_colour: string
  category: string
  camera_code: string
  camera_name: string
  zone: string
  grid: string | null
  lng: number | null
  lat: number | null
  address: string
  reported_at: string
  due_at: string | null
  closed_at: string | null
  description: string
  alert_ids: string[]
  evidence: Evidence[]
  flow: FlowStep[]
  drill: boolean
  revision: number
}

export interface Step {
  action: string
  needsReason: boolean
  /** Cannot be taken back, so it is asked for once more. */
  final: boolean
}

const ENDS = new Set(['not_accepted', 'cancelled', 'closed', 'forced_closed'])

type Way = readonly [action: string, before: string, roles: string, needsReason?: 'reason']

const WAYS: readonly Way[] = [
  ['accept', 'reported', 'duty_officer duty_leader'],
  ['verify', 'reported', 'duty_officer duty_leader'],
  ['verified', 'verifying', 'grid_member duty_officer duty_leader'],
  ['dispatch', 'accepted returned', 'dispatcher'],
  ['sign', 'dispatched', 'department grid_member'],
  ['return', 'dispatched', 'department grid_member', 'reason'],
  ['handle', 'signed rework', 'department grid_member'],
  ['feedback', 'handling', 'department grid_member'],
  ['suspend', 'handling', 'duty_leader', 'reason'],
  ['resume', 'suspended', 'duty_leader'],
  ['check', 'feedback', 'checker'],
  ['close', 'checking', 'checker'],
  ['rework', 'checking', 'checker', 'reason'],
  ['escalate', 'reported accepted', 'duty_leader'],
  ['refuse_escalation', 'escalated', 'commander', 'reason'],
  ['not_accept', 'reported', 'duty_officer duty_leader', 'reason'],
  ['cancel', 'reported', 'duty_officer duty_leader', 'reason'],
  ['force_close', '*', 'duty_leader', 'reason'],
]
const FINAL = new Set(['not_accept', 'cancel', 'close', 'force_close'])

export function isOpen(event: GridEvent): boolean {
  return !ENDS.has(event.state)
}

/** What somebody with these roles may do with the event now, the usual step first. */
export function stepsOf(event: GridEvent, roles: readonly string[]): Step[] {
  return WAYS.filter(([, before, allowed]) => {
    const here = before === '*' ? isOpen(event) : before.split(' ').includes(event.state)
    return here && allowed.split(' ').some((role) => roles.includes(role))
  }).map(([action, , , reason]) => ({ action, needsReason: reason !== undefined, final: FINAL.has(action) }))
}

// The platforms as a tree, in the form in which it is shown; and what may hang under what (gateway/grid/tree.py).
import type { PlatformNode } from '../api/grid'

export interface TreeNode {
  key: string
  label: string
  children?: TreeNode[]
}

export const KINDS = ['town', 'city_department', 'key_community'] as const
const UNDER: Readonly<Record<string, readonly string[]>> = {
  town: ['hub_platform'],
  city_department: ['hub_platform'],
  key_community: ['hub_platform', 'town'],
}
const ORDER = ['hub_platform', 'town', 'key_community', 'city_department']

export function treeOf(nodes: readonly PlatformNode[]): TreeNode[] {
  const known = new Set(nodes.map((one) => one.code))
  const below = (parent: string | null): TreeNode[] =>
    nodes
      .filter((one) => (parent === null ? one.parent === null || !known.has(one.parent) : one.parent === parent))
      .sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind) || a.code.localeCompare(b.code))
      .map((one) => {
        const children = below(one.code)
        return { key: one.code, label: one.name, ...(children.length > 0 ? { children } : {}) }
      })
  return below(null)
}

/** Where a platform of this kind may hang: not under itself nor under one below it. */
export function placesFor(nodes: readonly PlatformNode[], kind: string, code: string | null): PlatformNode[] {
  const cut = new Set(code === null ? [] : [code])
  for (let grew = true; grew; ) {
    const more = nodes.filter((one) => one.parent !== null && cut.has(one.parent) && !cut.has(one.code))
    more.forEach((one) => cut.add(one.code))
    grew = more.length > 0
  }
  return nodes.filter((one) => UNDER[kind]?.includes(one.kind) && !cut.has(one.code))
}

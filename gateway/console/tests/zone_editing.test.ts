import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { effectScope, nextTick, ref, type EffectScope } from 'vue'
import { draggedTo, taken } from '../src/domain/drag'
import { misdrawn, type Role } from '../src/domain/drawing'
import { movedTo, placeUnder, pointsOf } from '../src/domain/frame'
import { nudged } from '../src/domain/nudge'
import { blankRule, withValues } from '../src/domain/rule'
import { ended, withClick } from '../src/domain/sketch'
import { edgeOf, MIDDLE, withMiddleOf, type Outline } from '../src/domain/zone'
import { useDrag } from '../src/editing/dragging'
import { useSketch } from '../src/editing/sketching'

const SIZE = { width: 800, height: 400 }
const THREE: Outline = [[0.2, 0.2], [0.6, 0.2], [0.6, 0.6]]

describe('the frame of a picture', () => {
  it('is drawn in pixels', () => {
    expect(pointsOf(THREE, SIZE)).toBe('160,80 480,80 480,240')
    expect(movedTo([0.5, 1], SIZE)).toBe('translate(400 400)')
  })

  it('tells the place under the pointer, and none beyond its edges', () => {
    const bounds = { left: 100, top: 50, ...SIZE }
    expect(placeUnder({ x: 300, y: 150 }, bounds)).toEqual([0.25, 0.25])
    expect(placeUnder({ x: 20, y: 900 }, bounds)).toEqual([0, 1])
  })

  it('has one place while it is not shown', () => {
    expect(placeUnder({ x: 300, y: 150 }, undefined)).toEqual([0, 0])
    expect(placeUnder({ x: 300, y: 150 }, { left: 0, top: 0, width: 0, height: 0 })).toEqual([0, 0])
  })
})

describe('an outline drawn by clicks', () => {
  it('is whole once its first corner is clicked again, within 14 px of it', () => {
    expect(withClick(THREE, [0.21, 0.22], 'zone', SIZE)).toEqual({ corners: THREE, whole: true })
    expect(withClick(THREE, [0.22, 0.2], 'zone', SIZE)).toEqual({ corners: [...THREE, [0.22, 0.2]], whole: false })
  })

  it('is not closed by two corners', () => {
    expect(withClick(THREE.slice(0, 2), [0.2, 0.2], 'zone', SIZE).whole).toBe(false)
  })

  it('takes a double click for one corner', () => {
    expect(withClick(THREE, [0.6, 0.6], 'exclusion', SIZE)).toEqual({ corners: THREE, whole: false })
  })

  it('reaches to the edge of the picture where a click comes near it', () => {
    expect(withClick(THREE, [0.3, 0.985], 'zone', SIZE).corners.at(-1)).toEqual([0.3, 1])
    expect(withClick(THREE, [0.01, 0.97], 'exclusion', SIZE).corners.at(-1)).toEqual([0, 0.97])
    expect(withClick([], [0.3, 0.985], 'ground', SIZE).corners).toEqual([[0.3, 0.985]])
  })

  it('is closed at a first corner that lies on the edge', () => {
    const low: Outline = [[0.2, 1], [0.6, 0.2], [0.6, 1]]
    expect(withClick(low, [0.2, 0.985], 'zone', SIZE).whole).toBe(true)
  })

  it('is a point with one click', () => {
    expect(withClick([], [0.3, 0.4], 'permitted', SIZE)).toEqual({ corners: [[0.3, 0.4]], whole: true })
  })

  it('is a shape in the middle where it is ended before it is one', () => {
    expect(ended(THREE, 'zone')).toBe(THREE)
    expect(ended(THREE.slice(0, 2), 'zone')).toBe(MIDDLE)
    expect(ended([], 'ground')).toEqual([[0.5, 0.5]])
  })
})

describe('what is dragged', () => {
  it('follows the pointer by a corner, by a new one in an edge, or as a whole', () => {
    expect(draggedTo(taken('zone:0', 1, THREE, [0.6, 0.2]), [0.7, 0.1]).corners).toEqual([[0.2, 0.2], [0.7, 0.1], [0.6, 0.6]])
    const between = taken('zone:0', 3, withMiddleOf(THREE, 2), [0.4, 0.4])
    expect(draggedTo(between, [0.1, 0.5]).corners).toEqual([...THREE, [0.1, 0.5]])
    expect(draggedTo(taken('zone:0', null, THREE, [0.5, 0.3]), [0.6, 0.4]).corners).toEqual([[0.3, 0.3], [0.7, 0.3], [0.7, 0.7]])
  })

  it('reaches to the edge of the picture by a corner, and not by a point', () => {
    expect(draggedTo(taken('zone:0', 1, THREE, [0.6, 0.2]), [0.99, 0.3]).corners[1]).toEqual([1, 0.3])
    expect(draggedTo(taken('ground:0', 0, [[0.5, 0.5]], [0.5, 0.5]), [0.99, 0.3]).corners).toEqual([[0.99, 0.3]])
  })

  it('is measured from where it was taken, however often it moves', () => {
    const drag = taken('zone:0', null, THREE, [0.5, 0.3])
    expect(draggedTo(draggedTo(drag, [0.9, 0.9]), [0.5, 0.3]).corners).toEqual(THREE)
  })

  it('keeps the pointer until it is let go, and is then told once', () => {
    const held = new Set<number>()
    const surface = { setPointerCapture: (id: number) => held.add(id), releasePointerCapture: (id: number) => held.delete(id) }
    const pointer = { pointerId: 7 } as PointerEvent
    const dragging = useDrag(() => surface as unknown as Element, () => [0.6, 0.2])
    dragging.follow([0.1, 0.1])
    expect(dragging.letGo(pointer)).toBeNull()
    dragging.take(pointer, 'zone:0', 1, THREE)
    expect(held).toEqual(new Set([7]))
    dragging.follow([0.8, 0.2])
    expect(dragging.letGo(pointer)).toMatchObject({ id: 'zone:0', corners: [[0.2, 0.2], [0.8, 0.2], [0.6, 0.6]] })
    expect(held.size).toBe(0)
    expect(dragging.drag.value).toBeNull()
  })
})

describe('a corner moved by keys', () => {
  it('goes a little with an arrow, ten times as far with shift, and stays in the picture', () => {
    expect(nudged([0.5, 0.5], 'ArrowLeft', false)).toEqual([0.495, 0.5])
    expect(nudged([0.5, 0.5], 'ArrowDown', true)).toEqual([0.5, 0.55])
    expect(nudged([0.998, 0.5], 'ArrowRight', true)).toEqual([1, 0.5])
    expect(nudged([0.5, 0.5], 'Enter', false)).toBeNull()
  })
})

describe('an edge', () => {
  it('that is the last ends at the first corner', () => {
    expect(edgeOf(THREE, 2)).toEqual([[0.6, 0.6], [0.2, 0.2]])
  })
})

describe('rules before they are saved', () => {
  it('are well, or the first one is named whose outline is none', () => {
    const bow: Outline = [[0.2, 0.2], [0.6, 0.6], [0.6, 0.2], [0.2, 0.6]]
    const well = withValues(blankRule('stall', '东'), { permitted: [{ x: 0.5, y: 0.5, hours: [] }] })
    expect(misdrawn([well, well])).toBe(-1)
    expect(misdrawn([well, withValues(well, { exclusions: [bow] }), withValues(well, { polygon: bow })])).toBe(1)
  })
})

describe('drawing with the keyboard', () => {
  const role = ref<Role | null>(null)
  let scope: EffectScope
  let told: (Outline | 'abandoned')[]
  let sketch: ReturnType<typeof useSketch>

  beforeEach(() => {
    scope = effectScope()
    told = []
    role.value = 'zone'
    sketch = scope.run(() =>
      useSketch(() => role.value, () => SIZE, { drawn: (corners) => told.push(corners), abandoned: () => told.push('abandoned') }),
    )!
  })
  afterEach(() => scope.stop())

  /** Whether the key was the sketch's own. */
  function press(key: string): boolean {
    let own = false
    sketch.key({ key, preventDefault: () => (own = true), stopPropagation: () => undefined } as unknown as KeyboardEvent)
    return own
  }

  it('ends with Enter, takes a corner back with Backspace, is abandoned with Escape, and leaves other keys alone', () => {
    for (const corner of THREE) sketch.click(corner)
    sketch.click([0.4, 0.9])
    expect(press('Backspace')).toBe(true)
    expect(sketch.corners.value).toEqual(THREE)
    expect(press('Enter')).toBe(true)
    expect(told).toEqual([THREE])
    expect(sketch.corners.value).toEqual([])
    expect(press('Enter') && press('Escape')).toBe(true)
    expect(told).toEqual([THREE, MIDDLE, 'abandoned'])
    expect(press('Tab')).toBe(false)
  })

  it('is nothing to keys and clicks while nothing is drawn', () => {
    role.value = null
    sketch.click([0.5, 0.5])
    expect(press('Enter')).toBe(false)
    expect([told, sketch.corners.value, sketch.isOutline.value]).toEqual([[], [], false])
  })

  it('shows the corner that a click would add, and begins anew with another shape', async () => {
    sketch.hover([0.5, 0.5])
    expect(sketch.line.value).toEqual([])
    sketch.click([0.1, 0.1])
    expect(sketch.line.value).toEqual([[0.1, 0.1], [0.5, 0.5]])
    expect(sketch.ready.value).toBe(false)
    role.value = 'exclusion'
    await nextTick()
    expect(sketch.line.value).toEqual([])
  })
})

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Buckets, networkOf } from '../src/access/buckets.ts'

const second = 1000

test('a bucket holds its quota, and fills up in its window', () => {
  const buckets = new Buckets(10, 1)
  const take = (now: number) => buckets.take('a', now)
  for (let left = 9; left >= 0; left--)
    expect(take(5 * second)).toMatchObject({ isAllowed: true, remaining: left, wait: 0 })
  const refused = take(5 * second)
  expect(refused).toMatchObject({ isAllowed: false, remaining: 0 })
  expect([refused.wait, refused.reset].map((seconds) => seconds.toFixed(3))).toEqual(['0.100', '1.000'])
  expect(take(5.1 * second)).toMatchObject({ isAllowed: true, remaining: 0 })
  expect(take(5.15 * second)).toMatchObject({ isAllowed: false })
  expect(take(7 * second)).toMatchObject({ isAllowed: true, remaining: 9 })
})

test('no sequence of requests gets more than the quota and what was refilled meanwhile', () => {
  const gaps = fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 200 })
  fc.assert(
    fc.property(gaps, fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 60 }), (gaps, quota, window) => {
      const buckets = new Buckets(quota, window)
      let now = 0
      let allowed = 0
      for (const gap of gaps) {
        now += gap
        if (buckets.take('a', now).isAllowed) allowed += 1
      }
      const most = Math.floor(quota + (quota * now) / (window * second) + 1e-6)
      expect(allowed).toBeLessThanOrEqual(most)
      if (gaps.length <= quota) expect(allowed).toBe(gaps.length)
    }),
  )
})

test('a charge may exceed what is there, and is paid back in time', () => {
  const buckets = new Buckets(10, 1)
  buckets.charge('a', 30, 0)
  expect(buckets.take('a', 1.9 * second).isAllowed).toBe(false)
  expect(buckets.take('a', 2.1 * second).isAllowed).toBe(true)
  expect(buckets.take('b', 0).isAllowed).toBe(true)
})

test('full buckets are forgotten; while there are too many in use, new names share one', () => {
  const buckets = new Buckets(1, 60)
  for (let i = 0; i < 100_000; i++) buckets.take(`${i}`, 0)
  expect(buckets.take('0', 0).isAllowed, 'nobody can push a bucket out').toBe(false)
  expect([buckets.take('x', 0), buckets.take('y', 0)].map(({ isAllowed }) => isAllowed)).toEqual([true, false])
  expect(buckets.take('x', 61 * second).isAllowed).toBe(true)
  expect(buckets.take('y', 61 * second).isAllowed).toBe(true)
})

test.each([
  ['203.0.113.9', '203.0.113.9'],
  ['::ffff:203.0.113.9', '203.0.113.9'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::1', '2001:db8:1:2::/64'],
  ['2001:0DB8:0001:0002::', '2001:db8:1:2::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['64:ff9b::203.0.113.9', '64:ff9b:0:0::/64'],
  ['203.0.113.9:50123', '203.0.113.9'],
  ['[2001:db8:1:2::1]:50123', '2001:db8:1:2::/64'],
  ['[2001:db8:1:2::1]', '2001:db8:1:2::/64'],
  ['[::ffff:203.0.113.9]:50123', '203.0.113.9'],
  ['unknown', 'unknown'],
  ['_gazonk:7', 'unknown'],
  ['1.2.3.4.5', 'unknown'],
])('the address %s shares the limit of %s', (address, network) => {
  expect(networkOf(address)).toBe(network)
})

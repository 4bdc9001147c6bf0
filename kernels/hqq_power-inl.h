#if defined(QUANTPRESS_KERNELS_HQQ_POWER_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef QUANTPRESS_KERNELS_HQQ_POWER_INL_H_
#undef QUANTPRESS_KERNELS_HQQ_POWER_INL_H_
#else
#define QUANTPRESS_KERNELS_HQQ_POWER_INL_H_
#endif

#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace quantpress::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// x^y for normal doubles x > 0 and y = -0.3f, |y log2 x| < 1000. Relative error below 2^-50, so that rounding it to float
// misses the correctly rounded value for about one float in 10^7. Only +, -, *, / and bit operations: one result on every
// target. x = m * 2^e with m in [sqrt(1/2), sqrt(2)); log2 m by the series of atanh; 2^f by the series of exp.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V PowerOfDouble(D d, V x) {
  const hn::RebindToUnsigned<D> du;
  constexpr uint64_t kOne = 0x3FF0000000000000, kSqrtHalf = 0x3FE6A09E667F3BCD;
  constexpr double kExponent = static_cast<double>(-0.3f);
  const auto bits = hn::BitCast(du, x);
  const auto biased = hn::ShiftRight<52>(hn::Add(bits, hn::Set(du, kOne - kSqrtHalf)));  // e + 1023
  const V m = hn::BitCast(d, hn::Add(hn::Sub(bits, hn::ShiftLeft<52>(biased)), hn::Set(du, kOne)));
  // An integer below 2^52 put in the mantissa of 2^52.
  const V e = hn::Sub(hn::BitCast(d, hn::Or(biased, hn::Set(du, 0x4330000000000000ull))), hn::Set(d, 0x1p52 + 1023));

  const V one = hn::Set(d, 1.0);
  const V s = hn::Div(hn::Sub(m, one), hn::Add(m, one));
  const V z = hn::Mul(s, s);
  V series = hn::Set(d, 1.0 / 21);
  for (int k = 19; k >= 1; k -= 2) series = hn::Add(hn::Mul(series, z), hn::Set(d, 1.0 / k));
  const V log2 = hn::Add(e, hn::Mul(hn::Mul(s, series), hn::Set(d, 2.8853900817779268)));  // 2 / ln 2

  const V t = hn::Mul(log2, hn::Set(d, kExponent));
  const V magic = hn::Set(d, 0x1.8p52);
  const V rounded = hn::Add(t, magic);
  const V g = hn::Mul(hn::Sub(t, hn::Sub(rounded, magic)), hn::Set(d, 0.6931471805599453));  // ln 2
  V exp = one;
  for (int k = 13; k >= 1; --k) exp = hn::Add(one, hn::Mul(hn::Mul(exp, g), hn::Set(d, 1.0 / k)));
  const auto power = hn::ShiftLeft<52>(hn::Add(hn::BitCast(du, rounded), hn::Set(du, 1023)));
  return hn::Mul(exp, hn::BitCast(d, power));
}

// In place for `count` floats >= 1e-8, a multiple of Lanes(ScalableTag<double>).
HWY_INLINE void PowerOfFloats(float* HWY_RESTRICT values, size_t count) {
  const hn::ScalableTag<double> d;
  const hn::Rebind<float, decltype(d)> df;
  for (size_t i = 0; i < count; i += hn::Lanes(d)) {
    const auto x = hn::PromoteTo(d, hn::LoadU(df, values + i));
    hn::StoreU(hn::DemoteTo(df, PowerOfDouble(d, x)), df, values + i);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace quantpress::kernels
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard

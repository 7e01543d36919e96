/// \file A dense network's initial weights.

#include "host/nets/initialise.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace stampede::testing {
namespace {

/// The largest difference of rows' (or, of a tall matrix, columns') scalar products from those of orthogonal ones of
/// length `gain`.
double from_orthogonal(const DenseLayer& layer, double gain) {
  const int rows = layer.outputs, columns = layer.inputs;
  const bool wide = rows <= columns;
  const int vectors = wide ? rows : columns, length = wide ? columns : rows;
  const auto at = [&](int vector, int i) {
    return static_cast<double>(
        layer.weight[static_cast<std::size_t>(wide ? vector * columns + i : i * columns + vector)]);
  };
  double most = 0;
  for (int a = 0; a < vectors; ++a) {
    for (int b = 0; b < vectors; ++b) {
      double product = 0;
      for (int i = 0; i < length; ++i) product += at(a, i) * at(b, i);
      most = std::max(most, std::abs(product - (a == b ? gain * gain : 0.0)));
    }
  }
  return most;
}

TEST(Initialise, IsOrthogonalTimesTheScales) {
  const std::vector<DenseLayer> layers = initial_network({45, 64, 16, 3}, {.hidden = 0.41, .head = 0.01}, 7, 1);
  ASSERT_EQ(layers.size(), 3u);
  EXPECT_LT(from_orthogonal(layers[0], 0.41 * std::sqrt(2.0)), 1e-6);
  EXPECT_LT(from_orthogonal(layers[1], 0.41 * std::sqrt(2.0)), 1e-6);
  EXPECT_LT(from_orthogonal(layers[2], 0.01), 1e-9);
}

}  // namespace
}  // namespace stampede::testing

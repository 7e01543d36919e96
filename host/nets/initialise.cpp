/// \file Initial parameters: orthogonal matrices from the QR decomposition of Gaussian ones, and uniform numbers.

#include "host/nets/initialise.hpp"

#include <Eigen/QR>
#include <algorithm>
#include <cmath>

#include "kernels/random.hpp"

namespace stampede {
namespace {

Eigen::MatrixXd orthogonal(int rows, int columns, std::uint64_t seed, std::uint32_t stream, std::uint32_t layer) {
  const int tall = std::max(rows, columns), wide = std::min(rows, columns);
  Eigen::MatrixXd gaussian(tall, wide);
  for (int c = 0; c < wide; ++c) {
    Random<double> random(seed, static_cast<std::uint32_t>(c), stream * 64 + layer, Purpose::kInitialise);
    for (int r = 0; r < tall; ++r) gaussian(r, c) = random.normal();
  }
  const Eigen::HouseholderQR<Eigen::MatrixXd> qr(gaussian);
  Eigen::MatrixXd q = qr.householderQ() * Eigen::MatrixXd::Identity(tall, wide);
  // Columns are multiplied by the signs of R's diagonal: only then is Q distributed evenly over the orthogonal
  // matrices.
  for (int c = 0; c < wide; ++c) {
    if (qr.matrixQR()(c, c) < 0) q.col(c) = -q.col(c);
  }
  if (rows < columns) return q.transpose();
  return q;
}

}  // namespace

std::vector<DenseLayer> initial_network(const std::vector<int>& sizes, const InitialScale& scale, std::uint64_t seed,
                                        std::uint32_t stream) {
  std::vector<DenseLayer> layers;
  for (std::size_t i = 0; i + 1 < sizes.size(); ++i) {
    DenseLayer layer;
    layer.inputs = sizes[i];
    layer.outputs = sizes[i + 1];
    const double gain = i + 2 == sizes.size() ? scale.head : scale.hidden * std::sqrt(2.0);
    const Eigen::MatrixXd weight = orthogonal(layer.outputs, layer.inputs, seed, stream, static_cast<std::uint32_t>(i));
    for (int o = 0; o < layer.outputs; ++o) {
      for (int in = 0; in < layer.inputs; ++in) layer.weight.push_back(static_cast<float>(gain * weight(o, in)));
    }
    layer.bias.assign(static_cast<std::size_t>(layer.outputs), 0.0f);
    layers.push_back(std::move(layer));
  }
  return layers;
}

std::vector<float> initial_uniform(int rows, int columns, double most, std::uint64_t seed, std::uint32_t stream,
                                   std::uint32_t array) {
  std::vector<float> values;
  for (int row = 0; row < rows; ++row) {
    Random<double> random(seed, static_cast<std::uint32_t>(row), stream * 64 + array, Purpose::kInitialise);
    for (int column = 0; column < columns; ++column) values.push_back(static_cast<float>(random.uniform(-most, most)));
  }
  return values;
}

}  // namespace stampede

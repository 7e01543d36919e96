#pragma once
/// \file Convolutions as a network's first module: the numbers of a row that are a picture go through them, and those
/// behind it, such as joint readings, are passed on as they are.
///
///     row   | picture [channels][height][width] | rest |
///                   '-> layer 0 -> layer 1 -.      |
///     out   |        [pixel][channel]           | rest |
///
/// Parameters: `0.weight` [channels of the output, channels of the input, kernel, kernel], `0.bias`, `1.weight`, ...

#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "host/nets/dense.hpp"
#include "host/nets/initialise.hpp"
#include "host/nets/module.hpp"
#include "kernels/convolution.hpp"
#include "kernels/normalise.hpp"

namespace stampede {

/// The shapes of all layers. Throws Error where the options make none: no picture, lists of different lengths, channels
/// that are no multiple of kMaxLanes, or a layer that is larger than what it gets.
inline std::vector<ConvolutionShape> convolution_shapes(const ModuleOptions& options) {
  const std::size_t layers = options.channels.size();
  if (options.image.size() != 3) {
    throw Error("network.modules names \"convolution\", but the policy does not see a picture; [pixels] gives it one");
  }
  if (layers == 0 || options.kernels.size() != layers || options.strides.size() != layers) {
    throw Error(
        "network.channels, network.kernels and network.strides need one number for each convolution; they have " +
        std::to_string(layers) + ", " + std::to_string(options.kernels.size()) + " and " +
        std::to_string(options.strides.size()));
  }
  std::vector<ConvolutionShape> shapes;
  int channels = options.image[0], height = options.image[1], width = options.image[2];
  Index by_channel = Index{height} * width, by_line = width, by_pixel = 1;
  for (std::size_t i = 0; i < layers; ++i) {
    const int kernel = options.kernels[i], stride = options.strides[i], out = options.channels[i];
    const std::string which = "network: convolution " + std::to_string(i + 1);
    if (out % kMaxLanes != 0) {
      throw Error(which + " has " + std::to_string(out) + " channels; a multiple of " + std::to_string(kMaxLanes) +
                  " would be right");
    }
    if (kernel < 1 || stride < 1) {
      throw Error(which + " has a kernel of " + std::to_string(kernel) + " pixels and a stride of " +
                  std::to_string(stride) + "; both must be at least 1");
    }
    if (kernel > height || kernel > width) {
      throw Error(which + " has a kernel of " + std::to_string(kernel) + " x " + std::to_string(kernel) +
                  " pixels, but what it gets has " + std::to_string(height) + " x " + std::to_string(width) +
                  "; fewer layers, smaller kernels or smaller strides would be right");
    }
    ConvolutionShape shape{};
    shape.channels = channels;
    shape.height = height;
    shape.width = width;
    shape.by_channel = by_channel;
    shape.by_line = by_line;
    shape.by_pixel = by_pixel;
    shape.kernel = kernel;
    shape.stride = stride;
    shape.out_channels = channels = out;
    shape.out_height = height = (height - kernel) / stride + 1;
    shape.out_width = width = (width - kernel) / stride + 1;
    by_channel = 1;
    by_pixel = out;
    by_line = Index{width} * out;
    shapes.push_back(shape);
  }
  return shapes;
}

/// The tables of a ConvolutionLayer.
inline std::vector<std::int32_t> tap_places(const ConvolutionShape& shape) {
  std::vector<std::int32_t> places;
  for (Index tap = 0; tap < shape.taps(); ++tap) {
    const Index c = tap / shape.area(), ky = tap % shape.area() / shape.kernel, kx = tap % shape.kernel;
    places.push_back(static_cast<std::int32_t>(c * shape.by_channel + ky * shape.by_line + kx * shape.by_pixel));
  }
  return places;
}
inline std::vector<std::int32_t> patch_places(const ConvolutionShape& shape) {
  std::vector<std::int32_t> places;
  for (Index pixel = 0; pixel < shape.pixels(); ++pixel) {
    const Index y = pixel / shape.out_width * shape.stride, x = pixel % shape.out_width * shape.stride;
    places.push_back(static_cast<std::int32_t>(y * shape.by_line + x * shape.by_pixel));
  }
  return places;
}

template <class Backend>
class Convolution final : public NetworkModule<Backend> {
 public:
  using Context = typename Backend::Context;
  using Real = typename LaneOf<Backend>::type;

  Convolution(Backend& backend, const ModuleOptions& options, const ModuleSize& size)
      : shapes_(convolution_shapes(options)),
        activation_(activation_of(options.activation)),
        picture_(Index{options.image[0]} * options.image[1] * options.image[2]),
        rest_(size.inputs - picture_) {
    if (rest_ < 0) {
      throw Error("network: the picture has more numbers than there are inputs", Status::kFailed);
    }
    if (size.above_others) throw Error("network.modules: \"convolution\" must come first, as it looks at a picture");
    end_ = size.begin;
    for (std::size_t i = 0; i < shapes_.size(); ++i) {
      const ConvolutionShape& shape = shapes_[i];
      Layer layer{};
      layer.weight = end_;
      layer.bias = layer.weight + shape.taps() * shape.out_channels;
      end_ = layer.bias + shape.out_channels;
      const bool last = i + 1 == shapes_.size();
      layer.stride = last ? padded(outputs()) : shape.outputs();
      layer.output = typename Backend::Scratch(backend, size.most_rows, layer.stride);
      layer.delta = typename Backend::Scratch(backend, size.most_rows, layer.stride);
      if (activation_ == Activation::kSilu) {
        layer.slope = typename Backend::Scratch(backend, size.most_rows, layer.stride);
      }
      layer.tap = uploaded(backend, tap_places(shape));
      layer.patch = uploaded(backend, patch_places(shape));
      if (kSlices > 1) layer.slices = backend.template make_buffer<float>(kSlices * numbers(shape));
      if (i > 0) layer.transposed = backend.template make_buffer<float>(shape.taps() * shape.out_channels);
      layers_.push_back(std::move(layer));
    }
  }

  int outputs() const override { return static_cast<int>(shapes_.back().outputs() + rest_); }
  std::vector<ParameterPlace> parameters() const override {
    std::vector<ParameterPlace> places;
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      const ConvolutionShape& shape = shapes_[i];
      const std::string name = std::to_string(i);
      places.push_back({name + ".weight",
                        {shape.out_channels, shape.channels, shape.kernel, shape.kernel},
                        layers_[i].weight,
                        1,
                        shape.out_channels});
      places.push_back({name + ".bias", {shape.out_channels}, layers_[i].bias});
    }
    return places;
  }
  Index end() const override { return end_; }

  /// Orthogonal rows of the weights as [out_channels][taps], as the dense layers have them; biases 0.
  void initialise(std::uint64_t seed, std::uint32_t stream, const InitialScale&, float* values) const override {
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      const ConvolutionShape& shape = shapes_[i];
      const auto taps = static_cast<int>(shape.taps());
      // One matrix, whose own stream follows from the layer.
      const DenseLayer layer = initial_network({taps, shape.out_channels}, {.head = std::sqrt(2.0)}, seed,
                                               stream + 1000 * static_cast<std::uint32_t>(i))
                                   .front();
      for (int out = 0; out < shape.out_channels; ++out) {
        for (int tap = 0; tap < taps; ++tap) {
          values[layers_[i].weight + static_cast<Index>(tap) * shape.out_channels + out] =
              layer.weight[static_cast<std::size_t>(out * taps + tap)];
        }
      }
    }
  }

  void parameters_changed(Backend& backend, const float* parameters) override {
    for (std::size_t i = 1; i < layers_.size(); ++i) {
      backend.launch(layers_[i].transposed.size(),
                     ConvolutionTransposed{shapes_[i], parameters + layers_[i].weight, layers_[i].transposed.data()});
    }
  }

  const float* forward(const Context& context, const float* parameters, const float* input, Index stride,
                       const Sequences& sequences) override {
    const Index rows = sequences.rows;
    const float* x = input;
    Index x_stride = stride;
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      Layer& layer = layers_[i];
      const ConvolutionShape& shape = shapes_[i];
      context.launch(
          {0, rows * blocks_of(shape.pixels()) * shape.out_channels},
          ConvolutionForward<Real>{of(i), parameters + layer.weight, parameters + layer.bias, x, x_stride,
                                   layer.output.at(context), layer.stride, activation_, slope_of(context, layer)});
      x = layer.output.at(context);
      x_stride = layer.stride;
    }
    const Index own = shapes_.back().outputs();
    if (const Index behind = x_stride - own; behind > 0) {
      context.launch({0, rows * behind}, CopyColumns{input + picture_, stride, layers_.back().output.at(context) + own,
                                                     x_stride, rest_, behind});
    }
    return x;
  }
  Index output_stride() const override { return layers_.back().stride; }
  const float* output(const Context& context) override { return layers_.back().output.at(context); }
  float* output_gradient(const Context& context) override { return layers_.back().delta.at(context); }

  void backward(const Context& context, const float*, const float* input, Index stride, const Sequences& sequences,
                float* gradient, float*) override {
    const Index rows = sequences.rows;
    for (std::size_t i = layers_.size(); i-- > 0;) {
      Layer& layer = layers_[i];
      const ConvolutionShape& shape = shapes_[i];
      float* delta = layer.delta.at(context);
      const float* known = activation_ == Activation::kSilu ? slope_of(context, layer) : layer.output.at(context);
      context.launch({0, rows * shape.outputs()},
                     ConvolutionSlopes{shape.outputs(), layer.stride, known, delta, activation_});
      const float* x = i > 0 ? layers_[i - 1].output.at(context) : input;
      const Index x_stride = i > 0 ? layers_[i - 1].stride : stride;
      const RowSlices slices{rows, kSlices, numbers(shape)};
      float* const sums = kSlices > 1 ? layer.slices.data() : gradient + layer.weight;
      context.launch({0, kSlices * blocks_of(shape.taps()) * shape.out_channels},
                     ConvolutionWeightGradient<Real>{of(i), slices, x, x_stride, delta, layer.stride, sums,
                                                     context.accumulates()});
      context.launch({0, kSlices * shape.out_channels},
                     ConvolutionBiasGradient{slices, shape.pixels(), shape.out_channels, delta, layer.stride,
                                             sums + layer.bias - layer.weight, context.accumulates()});
      if constexpr (kSlices > 1) {
        context.launch({0, numbers(shape)}, AddSlices{slices, layer.slices.data(), gradient + layer.weight});
      }
      if (i == 0) return;
      context.launch({0, rows * shape.channels},
                     ConvolutionInputGradient{of(i), layer.transposed.data(), delta, layer.stride,
                                              layers_[i - 1].delta.at(context), layers_[i - 1].stride});
    }
  }

  double training_flops() const override {
    double sum = 0;
    for (std::size_t i = 0; i < shapes_.size(); ++i) {
      // Forward, the weights' gradient and, but for the first layer, the inputs'.
      sum += (i > 0 ? 6.0 : 4.0) * static_cast<double>(shapes_[i].taps() * shapes_[i].outputs());
    }
    return sum;
  }

 private:
  static constexpr Index kSlices = Backend::kGradientSlices;
  struct Layer {
    Index weight, bias, stride;  ///< the bias follows the weights
    typename Backend::Scratch output, delta, slope;
    typename Backend::template Buffer<std::int32_t> tap, patch;  ///< tables of ConvolutionLayer
    typename Backend::template Buffer<float> transposed;         ///< its weights; not of the first layer
    typename Backend::template Buffer<float> slices;             ///< [slice][numbers()], where there are several
  };

  /// Of a layer's weights and biases.
  static Index numbers(const ConvolutionShape& shape) { return (shape.taps() + 1) * shape.out_channels; }

  static typename Backend::template Buffer<std::int32_t> uploaded(Backend& backend,
                                                                  const std::vector<std::int32_t>& places) {
    const auto count = static_cast<Index>(places.size());
    auto buffer = backend.template make_buffer<std::int32_t>(count);
    backend.upload(buffer, places.data(), count);
    return buffer;
  }
  ConvolutionLayer of(std::size_t i) const { return {shapes_[i], layers_[i].tap.data(), layers_[i].patch.data()}; }

  float* slope_of(const Context& context, Layer& layer) {
    return activation_ == Activation::kSilu ? layer.slope.at(context) : nullptr;
  }

  std::vector<ConvolutionShape> shapes_;
  Activation activation_;
  Index picture_, rest_;  ///< numbers of a row
  Index end_ = 0;
  std::vector<Layer> layers_;
};

}  // namespace stampede

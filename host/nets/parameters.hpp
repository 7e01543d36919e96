#pragma once
/// \file The parameters of networks: one flat array on the device, in which each parameter has a name, a shape and a
/// place. Arrays that are laid out alike, such as a gradient or an optimiser's moments, are read and written by the
/// same names.
///
///     flat array   | log_std | actor.0.weight | actor.0.bias | actor.1.weight | ... | critic.0.weight | ... |
///                  0         the actor's modules; each module begins at a multiple of kMaxLanes

#include <algorithm>
#include <cstdint>
#include <functional>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "host/base/error.hpp"
#include "host/engine/checkpoint_tensors.hpp"
#include "host/engine/policy.hpp"
#include "kernels/vocabulary.hpp"

namespace stampede {

/// Where a parameter lies in the flat array: its element (row, column) at begin + row * by_row + column * by_column.
/// Every element of a vector is a row; of an array with more than two dimensions, all but the first count as columns,
/// row-major. Where `part` is not 0, rows come in parts of so many, which begin `by_part` apart; `by_row` counts within
/// a part.
struct ParameterPlace {
  std::string name;
  std::vector<std::int64_t> shape;
  Index begin = 0, by_row = 1, by_column = 1;
  Index part = 0, by_part = 0;

  Index rows() const { return static_cast<Index>(shape.front()); }
  Index columns() const {
    return static_cast<Index>(
        std::accumulate(shape.begin() + 1, shape.end(), std::int64_t{1}, std::multiplies<std::int64_t>()));
  }
  Index at(Index row, Index column) const {
    const Index of_part = part > 0 ? row / part * by_part + row % part * by_row : row * by_row;
    return begin + of_part + column * by_column;
  }
};

/// Names and places of all parameters.
class ParameterStore {
 public:
  /// Adds parameters, each under `prefix` + its name. Throws Error where a name is taken already.
  void add(const std::string& prefix, const std::vector<ParameterPlace>& places) {
    for (ParameterPlace place : places) {
      place.name = prefix + place.name;
      for (const ParameterPlace& there : places_) {
        if (there.name == place.name) throw Error("two parameters are named '" + place.name + "'", Status::kFailed);
      }
      places_.push_back(std::move(place));
    }
  }
  const std::vector<ParameterPlace>& places() const { return places_; }

  /// The parameters that a flat array on the host holds, in the order in which they were added.
  std::vector<Parameter> read(const float* values) const {
    std::vector<Parameter> all;
    for (const ParameterPlace& place : places_) {
      Parameter parameter{place.name, place.shape, {}};
      parameter.values.reserve(static_cast<std::size_t>(place.rows() * place.columns()));
      for (Index row = 0; row < place.rows(); ++row) {
        for (Index column = 0; column < place.columns(); ++column) {
          parameter.values.push_back(values[place.at(row, column)]);
        }
      }
      all.push_back(std::move(parameter));
    }
    return all;
  }

  /// The reverse: `numbers_of(place)` gives a parameter's numbers, row-major. Padding is left as it is.
  template <class NumbersOf>
  void write(const NumbersOf& numbers_of, float* values) const {
    for (const ParameterPlace& place : places_) {
      const std::vector<float> numbers = numbers_of(place);
      for (Index row = 0; row < place.rows(); ++row) {
        for (Index column = 0; column < place.columns(); ++column) {
          values[place.at(row, column)] = numbers[static_cast<std::size_t>(row * place.columns() + column)];
        }
      }
    }
  }

  /// Appends the parameters of a flat array on the host as tensors, named `prefix` + name.
  void to_tensors(const float* values, const std::string& prefix, std::vector<Tensor>& tensors) const {
    for (const Parameter& parameter : read(values)) {
      tensors.push_back(make_tensor(prefix + parameter.name, parameter.shape, parameter.values));
    }
  }
  /// The reverse. Throws Error naming the tensor that is missing or of another size.
  void from_tensors(const std::vector<Tensor>& tensors, const std::string& prefix, float* values) const {
    write(
        [&](const ParameterPlace& place) {
          return floats_of(tensors, prefix + place.name, static_cast<std::size_t>(place.rows() * place.columns()));
        },
        values);
  }

 private:
  std::vector<ParameterPlace> places_;
};

}  // namespace stampede

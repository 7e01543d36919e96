#pragma once
/// \file Robots on a backend, for tasks' kernels, which work on the robots' rows on the device.

#include <vector>

#include "host/engine/simulation.hpp"
#include "kernels/physics/batch.hpp"
#include "kernels/physics/terrain.hpp"

namespace stampede {

/// The robots' rows on the device, a number each lane (kernels/physics/batch.hpp).
template <class Scalar>
struct RobotRows {
  RowsView<Scalar> state, variation, control, counts;
  RowsView<Scalar> delayed, record;  ///< DelayedControl and PhysicsRecord
};

/// A batch of robots. Lane = environment * group + limb.
template <class Backend, class Scalar>
class Robots {
 public:
  using Context = typename Backend::Context;
  virtual ~Robots() = default;

  /// Uploads what was set on the host. To be called by one thread, before the others work on the rows or step.
  virtual void prepare() = 0;
  /// The rows as `prepare` left them, which the caller may change.
  virtual const RobotRows<Scalar>& rows() const = 0;
  /// The ground's map on the device; all zeros where the ground is a plane.
  virtual TerrainView map() const = 0;
  /// Takes the lanes of a range `steps` physics steps on, within a for_tiles: controls are delayed as the rows
  /// `delayed` say, and the rows `record` are written.
  virtual void step(const Context& context, Range lanes, int steps) = 0;
  /// All that later steps depend on, as numbers; and the reverse. Throws Error where their number is another.
  virtual std::vector<Scalar> save() = 0;
  virtual void restore(const std::vector<Scalar>& numbers) = 0;
};

}  // namespace stampede

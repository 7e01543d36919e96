#pragma once
/// \file Reading descriptions: MuJoCo's parser and compiler with messages of one line, missing meshes and textures, and
/// the choice of the base.

#include <mujoco/mujoco.h>

#include <filesystem>
#include <string>
#include <vector>

#include "host/model/robot/mujoco_handles.hpp"

namespace stampede {

/// A message of several lines as one.
std::string one_line(const std::string& message);

/// A file, parsed.
struct Description {
  SpecHandle spec;
  std::filesystem::path file;
  bool urdf = false;
  bool visuals = false;              ///< a URDF with visual shapes, which MuJoCo leaves out
  std::vector<std::string> changes;  ///< what was read otherwise than the file says, one line each
};

/// Parses an MJCF or URDF file. Throws Error.
Description parse_description(const std::filesystem::path& file);

/// Compiles a description. Throws Error that begins with `file`.
ModelHandle compile_description(mjSpec_* spec, const std::filesystem::path& file);

/// Elements of a kind, in the description's order.
std::vector<mjsElement*> elements_of(mjSpec* spec, mjtObj kind);
/// "geom 'foot'", or "geom of body 'shank'" where it has no name.
std::string label_of(mjsElement* element);
/// Whether a geom can touch anything at all.
inline bool collides(const mjsGeom* geom) { return geom->contype != 0 || geom->conaffinity != 0; }

/// Finds meshes and textures, `package://` and `file://` paths included, and takes out those that do not collide and
/// are missing or not readable. Colliding meshes like that are an Error, or, where `leave_out` is set, taken out too.
/// One line in `changes` for each. Paths of what stays are absolute then.
void settle_assets(Description& description, bool leave_out, std::vector<std::string>& changes);

/// Lets the base move freely or not: adds or removes the free joint, and the pose in keyframes. A description without
/// bodies stays as it is. Returns whether anything was changed.
bool set_base(mjSpec* spec, bool free);

}  // namespace stampede

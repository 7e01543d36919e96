/// \file Meshes and textures of a description: where they are, and what is done where they are not.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "host/base/error.hpp"
#include "host/robot/description.hpp"

namespace stampede {
namespace {

namespace fs = std::filesystem;

bool is_file(const fs::path& path) {
  std::error_code code;
  return fs::is_regular_file(path, code);
}

/// Where `name` is, which the description at `file` gives; empty where it is nowhere.
fs::path locate(const std::string& name, const fs::path& file, const std::string& folder) {
  // MuJoCo's parser makes one slash of two.
  std::string rest = name;
  bool package = false;
  for (const char* scheme : {"package:", "model:", "file:"}) {
    if (rest.rfind(scheme, 0) != 0) continue;
    package = scheme[0] != 'f';
    rest = rest.substr(std::string(scheme).size());
    const std::size_t begin = rest.find_first_not_of('/');
    rest = begin == std::string::npos ? "" : package ? rest.substr(begin) : "/" + rest.substr(begin);
  }
  std::error_code code;
  const fs::path beside = fs::absolute(file, code).parent_path();
  if (!package) {
    const fs::path path = fs::path(rest).is_absolute() ? fs::path(rest) : beside / folder / rest;
    return is_file(path) ? path : fs::path();
  }
  // A package is a folder above the description, or in one that ROS_PACKAGE_PATH names; its name may be left out.
  std::vector<fs::path> roots;
  for (fs::path up = beside;; up = up.parent_path()) {
    roots.push_back(up);
    if (up == up.parent_path()) break;
  }
  if (const char* listed = std::getenv("ROS_PACKAGE_PATH"); listed != nullptr) {
    std::istringstream stream(listed);
    for (std::string root; std::getline(stream, root, ':');) roots.emplace_back(root);
  }
  const std::size_t slash = rest.find('/');
  for (const fs::path& root : roots) {
    if (is_file(root / rest)) return root / rest;
    if (slash != std::string::npos && is_file(root / rest.substr(slash + 1))) return root / rest.substr(slash + 1);
  }
  return {};
}

/// Whether MuJoCo reads meshes of that kind.
bool readable_mesh(const fs::path& path) {
  std::string ending = path.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(), [](unsigned char c) { return std::tolower(c); });
  return ending == ".stl" || ending == ".obj" || ending == ".msh";
}

class Assets {
 public:
  Assets(Description& description, bool leave_out, std::vector<std::string>& changes)
      : spec_(description.spec.get()), file_(description.file), leave_out_(leave_out), changes_(changes) {}

  void meshes() {
    for (mjsElement* e : elements_of(spec_, mjOBJ_MESH)) {
      mjsMesh* mesh = mjs_asMesh(e);
      const std::string given = mjs_getString(mesh->file);
      if (given.empty()) continue;
      const fs::path path = locate(given, file_, mjs_getString(spec_->compiler.meshdir));
      if (!path.empty() && readable_mesh(path)) {
        mjs_setString(mesh->file, path.c_str());
        continue;
      }
      const char* why =
          path.empty() ? "is not there" : "is of a kind that MuJoCo does not read (.stl, .obj and .msh are)";
      // A mesh without a name goes by its file's.
      std::string name = mjs_getString(mjs_getName(e));
      if (name.empty()) name = fs::path(given).stem().string();
      drop_users(name, given, why);
      mjs_delete(spec_, e);
    }
  }

  void textures() {
    for (mjsElement* e : elements_of(spec_, mjOBJ_TEXTURE)) {
      mjsTexture* texture = mjs_asTexture(e);
      const std::string given = mjs_getString(texture->file);
      if (given.empty() || !locate(given, file_, mjs_getString(spec_->compiler.texturedir)).empty()) continue;
      // The texture stays, in one colour: materials name it.
      mjs_setString(texture->file, "");
      texture->builtin = mjBUILTIN_FLAT;
      texture->width = 2;
      texture->height = texture->type == mjTEXTURE_2D ? 2 : 12;
      changes_.push_back(fmt::format("texture '{}' is plain: its file is not there", given));
    }
  }

 private:
  /// Takes out the geoms of a mesh.
  void drop_users(const std::string& mesh, const std::string& given, const char* why) {
    for (mjsElement* g : elements_of(spec_, mjOBJ_GEOM)) {
      mjsGeom* geom = mjs_asGeom(g);
      if (mesh != mjs_getString(geom->meshname)) continue;
      if (collides(geom) && !leave_out_) {
        throw Error(
            fmt::format("{}: {} collides, and its mesh '{}' {}; the file, or a sphere, capsule, box or cylinder "
                        "would be right",
                        file_.string(), label_of(g), given, why));
      }
      changes_.push_back(fmt::format("{} is left out: its mesh '{}' {}", label_of(g), given, why));
      mjs_delete(spec_, g);
    }
  }

  mjSpec* spec_;
  const fs::path& file_;
  bool leave_out_;
  std::vector<std::string>& changes_;
};

}  // namespace

void settle_assets(Description& description, bool leave_out, std::vector<std::string>& changes) {
  Assets assets(description, leave_out, changes);
  assets.meshes();
  assets.textures();
}

}  // namespace stampede

/// \file Meshes and textures of a description: where they are, and what is done where they are not.
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

#include "host/base/error.hpp"
#include "host/base/files.hpp"
#include "host/model/robot/description.hpp"

namespace stampede {
namespace {

namespace fs = std::filesystem;

/// Adds the folders that an environment variable lists, each continued by `below`.
void add_listed(std::vector<fs::path>& folders, const char* variable, const char* below) {
  const char* listed = std::getenv(variable);
  if (listed == nullptr) return;
  std::istringstream stream(listed);
  for (std::string folder; std::getline(stream, folder, ':');) {
    if (!folder.empty()) folders.push_back(fs::path(folder) / below);
  }
}

/// The file that the description at `file` calls `name`; empty where there is none. `folder` is its meshdir or
/// texturedir.
fs::path locate(const std::string& name, const fs::path& file, const std::string& folder, bool urdf) {
  // MuJoCo's parser turns // into /, so that package://x arrives as package:/x.
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
  std::vector<fs::path> places;
  if (!package) {
    places = {beside / folder / rest};  // `rest` alone where it is absolute
    // In a URDF, MuJoCo looks for the file's name alone in meshdir; others look beside the URDF.
    if (urdf && !folder.empty())
      places.insert(places.end(), {beside / folder / fs::path(rest).filename(), beside / rest});
  } else {
    // A package is in a folder above the description or in one that the environment names; or it is such a folder
    // itself.
    std::vector<fs::path> roots;
    for (fs::path up = beside;; up = up.parent_path()) {
      roots.push_back(up);
      if (up == up.parent_path()) break;
    }
    add_listed(roots, "ROS_PACKAGE_PATH", "");
    add_listed(roots, "AMENT_PREFIX_PATH", "share");
    const std::size_t slash = rest.find('/');
    for (const fs::path& root : roots) {
      places.push_back(root / rest);
      if (slash != std::string::npos) places.push_back(root / rest.substr(slash + 1));
    }
    if (urdf && !folder.empty()) places.push_back(beside / folder / fs::path(rest).filename());
  }
  const auto found = std::find_if(places.begin(), places.end(), is_file);
  return found == places.end() ? fs::path() : *found;
}

constexpr const char* kLfsPointer = "is a Git LFS pointer; run git lfs pull";

/// The first bytes of a file: as many as come before the triangles of a binary STL file.
std::string head_of(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::string head(84, '\0');
  stream.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<std::size_t>(stream.gcount()));
  return head;
}

bool is_lfs_pointer(const fs::path& path) { return head_of(path).rfind("version https://git-lfs", 0) == 0; }

/// Why MuJoCo does not read a mesh; empty where it should.
std::string why_unreadable(const fs::path& path) {
  if (is_lfs_pointer(path)) return kLfsPointer;
  const std::string head = head_of(path);
  std::string ending = path.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(), [](unsigned char c) { return std::tolower(c); });
  if (ending != ".stl" && ending != ".obj" && ending != ".msh") {
    return "is of a kind that MuJoCo does not read (.stl, .obj and .msh are)";
  }
  if (ending == ".stl" && head.rfind("solid", 0) == 0) {
    // Some binary files begin with that word, too: they are as long as their number of triangles says.
    std::uint32_t triangles = 0;
    if (head.size() == 84) std::memcpy(&triangles, head.data() + 80, sizeof triangles);
    std::error_code code;
    if (fs::file_size(path, code) != 84 + 50 * std::uintmax_t{triangles}) {
      return "is an ASCII STL file, which MuJoCo does not read; a binary one would be right";
    }
  }
  return "";
}

class Assets {
 public:
  Assets(Description& description, bool leave_out, std::vector<std::string>& changes)
      : spec_(description.spec.get()),
        file_(description.file),
        urdf_(description.urdf),
        leave_out_(leave_out),
        changes_(changes) {}

  void meshes() {
    for (mjsElement* e : elements_of(spec_, mjOBJ_MESH)) {
      mjsMesh* mesh = mjs_asMesh(e);
      const std::string given = mjs_getString(mesh->file);
      if (given.empty()) continue;
      const fs::path path = locate(given, file_, mjs_getString(spec_->compiler.meshdir), urdf_);
      const std::string why = path.empty() ? "is not there" : why_unreadable(path);
      if (why.empty()) {
        mjs_setString(mesh->file, path.c_str());
      } else {
        drop(e, given, why);
      }
    }
    drop_what_does_not_compile();
  }

  void heightfields() {
    for (mjsElement* e : elements_of(spec_, mjOBJ_HFIELD)) {
      mjsHField* field = mjs_asHField(e);
      const std::string given = mjs_getString(field->file);
      if (given.empty()) continue;
      const fs::path path = locate(given, file_, mjs_getString(spec_->compiler.meshdir), urdf_);
      if (path.empty()) throw Error(fmt::format("{}: the heightfield '{}' is not there", file_.string(), given));
      mjs_setString(field->file, path.c_str());
    }
  }

  void skins() {
    for (mjsElement* e : elements_of(spec_, mjOBJ_SKIN)) {
      mjsSkin* skin = mjs_asSkin(e);
      const std::string given = mjs_getString(skin->file);
      if (given.empty()) continue;
      const fs::path path = locate(given, file_, mjs_getString(spec_->compiler.meshdir), urdf_);
      if (!path.empty()) {
        mjs_setString(skin->file, path.c_str());
        continue;
      }
      changes_.push_back(fmt::format("{} is left out: its file '{}' is not there", label_of(e), given));
      mjs_delete(spec_, e);
    }
  }

  void textures() {
    for (mjsElement* e : elements_of(spec_, mjOBJ_TEXTURE)) {
      mjsTexture* texture = mjs_asTexture(e);
      const std::string given = mjs_getString(texture->file);
      if (given.empty()) continue;
      const fs::path path = locate(given, file_, mjs_getString(spec_->compiler.texturedir), urdf_);
      const bool pointer = !path.empty() && is_lfs_pointer(path);
      if (!path.empty() && !pointer) {
        mjs_setString(texture->file, path.c_str());
        continue;
      }
      // The texture stays, in one colour, because materials refer to it by its name.
      mjs_setString(texture->file, "");
      texture->builtin = mjBUILTIN_FLAT;
      texture->width = 2;
      texture->height = texture->type == mjTEXTURE_2D ? 2 : 12;
      changes_.push_back(
          fmt::format("texture '{}' is plain: its file {}", given, pointer ? kLfsPointer : "is not there"));
    }
  }

 private:
  /// Takes out a mesh and its geoms.
  void drop(mjsElement* mesh, const std::string& given, const std::string& why) {
    // A mesh without a name is referred to by its file's, without the ending.
    std::string name = mjs_getString(mjs_getName(mesh));
    if (name.empty()) name = fs::path(given).stem().string();
    drop_users(name, given, why);
    mjs_delete(spec_, mesh);
  }

  /// Takes out meshes that MuJoCo refuses to compile: where the description does not compile, each mesh is compiled by
  /// itself to find them.
  void drop_what_does_not_compile() {
    const std::vector<mjsElement*> meshes = elements_of(spec_, mjOBJ_MESH);
    if (std::all_of(meshes.begin(), meshes.end(),
                    [](mjsElement* e) { return std::string(mjs_getString(mjs_asMesh(e)->file)).empty(); })) {
      return;
    }
    // A copy: compiling may fuse bodies.
    const SpecHandle whole(mj_copySpec(spec_));
    if (whole && ModelHandle(mj_compile(whole.get(), nullptr))) return;
    for (mjsElement* e : meshes) {
      const mjsMesh* mesh = mjs_asMesh(e);
      const std::string path = mjs_getString(mesh->file);
      if (path.empty()) continue;
      const SpecHandle alone(mj_makeSpec());
      mjsMesh* tried = mjs_addMesh(alone.get(), nullptr);
      mjs_setName(tried->element, "mesh");
      mjs_setString(tried->file, path.c_str());
      std::copy(mesh->scale, mesh->scale + 3, tried->scale);
      tried->inertia = mesh->inertia;
      mjsGeom* geom = mjs_addGeom(mjs_findBody(alone.get(), "world"), nullptr);
      geom->type = mjGEOM_MESH;
      mjs_setString(geom->meshname, "mesh");
      if (ModelHandle(mj_compile(alone.get(), nullptr))) continue;
      std::string why = one_line(mjs_getError(alone.get()));
      if (why.rfind("Error: ", 0) == 0) why.erase(0, 7);
      drop(e, path, "is not readable (" + why.substr(0, why.find(" Element name")) + ")");
    }
  }

  /// Takes out the geoms of a mesh.
  void drop_users(const std::string& mesh, const std::string& given, const std::string& why) {
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
  bool urdf_, leave_out_;
  std::vector<std::string>& changes_;
};

}  // namespace

void settle_assets(Description& description, bool leave_out, std::vector<std::string>& changes) {
  Assets assets(description, leave_out, changes);
  assets.meshes();
  assets.heightfields();
  assets.skins();
  assets.textures();
}

}  // namespace stampede

#include "host/model/robot/mjcf.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <utility>
#include <vector>

#include "host/base/error.hpp"
#include "host/model/robot/description.hpp"

namespace stampede {
namespace {

/// MuJoCo writes six digits, which would change masses. A function that its headers do not declare sets the number.
void write_all_digits() {
  if (void* set = ::dlsym(RTLD_DEFAULT, "_mjPRIVATE__set_xml_precision"); set != nullptr) {
    reinterpret_cast<void (*)(int)>(set)(17);
  }
}

/// Paths in a text, and what they are replaced by.
using Paths = std::vector<std::pair<std::filesystem::path, std::filesystem::path>>;

/// The files that a description reads, seen from the folder of `out`, so that it may be moved together with them.
/// Textures are relative to texturedir, which is absolute here: the files of a cube's faces are not in this list, and
/// are relative to it from the beginning.
Paths relative_paths(mjSpec* spec, const std::filesystem::path& out) {
  namespace fs = std::filesystem;
  std::error_code code;
  const auto whole = [&](const fs::path& path) { return fs::weakly_canonical(fs::absolute(path, code), code); };
  const fs::path folder = whole(out).parent_path(), textures = mjs_getString(spec->compiler.texturedir);
  Paths paths;
  const auto add = [&](const fs::path& file, const fs::path& from) {
    if (!file.empty()) paths.emplace_back(file, whole(file).lexically_relative(from));
  };
  for (mjsElement* e : elements_of(spec, mjOBJ_MESH)) add(mjs_getString(mjs_asMesh(e)->file), folder);
  for (mjsElement* e : elements_of(spec, mjOBJ_HFIELD)) add(mjs_getString(mjs_asHField(e)->file), folder);
  for (mjsElement* e : elements_of(spec, mjOBJ_SKIN)) add(mjs_getString(mjs_asSkin(e)->file), folder);
  for (mjsElement* e : elements_of(spec, mjOBJ_TEXTURE)) add(mjs_getString(mjs_asTexture(e)->file), whole(textures));
  add(textures, folder);
  if (!textures.empty()) add(textures / "", folder);  // MuJoCo may write it with a slash
  return paths;
}

/// Replaces these paths in a text, where they are the complete value of an attribute.
std::string with_paths(std::string xml, const Paths& paths) {
  const auto quoted = [](const std::string& text) {
    std::string escaped = "\"";
    for (const char c : text) {
      const char* entity = c == '&'    ? "&amp;"
                           : c == '<'  ? "&lt;"
                           : c == '>'  ? "&gt;"
                           : c == '"'  ? "&quot;"
                           : c == '\'' ? "&apos;"
                                       : nullptr;
      if (entity != nullptr) {
        escaped += entity;
      } else {
        escaped += c;
      }
    }
    return escaped + "\"";
  };
  for (const auto& [path, other] : paths) {
    const std::string from = quoted(path.string()), to = quoted(other.string());
    for (std::size_t at = xml.find(from); at != std::string::npos; at = xml.find(from, at + to.size())) {
      xml.replace(at, from.size(), to);
    }
  }
  return xml;
}

}  // namespace

std::string to_mjcf(mjSpec* spec, const std::filesystem::path& file, const std::filesystem::path& out) {
  // The paths of assets are absolute by now.
  mjs_setString(spec->compiler.meshdir, "");
  std::error_code code;
  std::string textures;
  if (mjs_firstElement(spec, mjOBJ_TEXTURE) != nullptr) {
    const std::filesystem::path given = mjs_getString(spec->compiler.texturedir);
    textures = (std::filesystem::absolute(file, code).parent_path() / given).lexically_normal().string();
    if (textures.size() > 1 && textures.back() == '/') textures.pop_back();
  }
  mjs_setString(spec->compiler.texturedir, textures.c_str());
  spec->compiler.saveinertial = spec->compiler.savecompiled = spec->compiler.savecanonical = 1;
  spec->compiler.fusestatic = 0;
  const ModelHandle model = compile_description(spec, file);
  write_all_digits();
  std::string xml(1 << 20, '\0');
  char message[1000] = "";
  int length = mj_saveXMLString(spec, xml.data(), static_cast<int>(xml.size()), message, sizeof message);
  if (length > 0) {
    xml.resize(static_cast<std::size_t>(length) + 1);
    length = mj_saveXMLString(spec, xml.data(), static_cast<int>(xml.size()), message, sizeof message);
  }
  if (length != 0) throw Error(fmt::format("{}: cannot be written as MJCF: {}", file.string(), one_line(message)));
  xml.resize(xml.find('\0') == std::string::npos ? xml.size() : xml.find('\0'));
  return with_paths(std::move(xml), relative_paths(spec, out));
}

}  // namespace stampede

#include "host/base/data_folders.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>

namespace stampede {

namespace fs = std::filesystem;

std::vector<fs::path> data_folders(const char* kind, const char* variable, const char* source) {
  std::vector<fs::path> folders;
  if (const char* named = std::getenv(variable); named != nullptr && *named != '\0') folders.emplace_back(named);
  Dl_info info{};
  if (::dladdr(reinterpret_cast<const void*>(&stems_in), &info) != 0 && info.dli_fname != nullptr) {
    std::error_code code;
    const fs::path library = fs::canonical(info.dli_fname, code);
    // Some distributions keep libraries in one more folder below lib, named after the processor (lib/x86_64-linux-gnu).
    fs::path up = library.parent_path().parent_path();
    for (int level = 0; level < 2 && !code && !up.empty(); ++level, up = up.parent_path()) {
      folders.push_back(up / "share" / "stampede" / kind);
      if (up.parent_path() == up) break;
    }
  }
  folders.emplace_back(source);
  return folders;
}

std::vector<std::string> stems_in(const std::vector<fs::path>& folders, const char* ending) {
  std::vector<std::string> names;
  for (const fs::path& folder : folders) {
    std::error_code code;
    for (fs::directory_iterator it(folder, code), end; !code && it != end; it.increment(code)) {
      if (it->path().extension() == ending) names.push_back(it->path().stem().string());
    }
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

}  // namespace stampede

#pragma once
/// \file Files that are whole or not there: atomic writing, appending without torn lines, locks.
///
/// Every failure is an Error that names the file and the system's reason.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace stampede {

/// What a file that somebody names may hold at most: settings and descriptions, which are text; and anything else.
inline constexpr std::uintmax_t kLargestText = std::uintmax_t{64} << 20, kLargestFile = UINTMAX_MAX;

/// The file's bytes. Throws Error where it cannot be read, where it holds more than `most` bytes or than memory does, and
/// where it is a device that does not end soon: a name such as /dev/zero is a mistake.
std::string read_file(const std::filesystem::path& path, std::uintmax_t most = kLargestFile);

/// Whether a written file must outlive a power failure too, which costs milliseconds, or only the process's end.
enum class Durability { kDisk, kProcess };

/// Writes `bytes` to a file beside `path` (or at `beside`, on the same file system) and renames it. Afterwards `path`
/// holds either all of `bytes` or what it held before; nothing half-written stays behind. With kDisk that is so after a
/// power failure too: the bytes are on the disk before the renaming, and the renaming before the return.
void write_file(const std::filesystem::path& path, std::string_view bytes, Durability durability = Durability::kDisk,
                std::filesystem::path beside = {});

/// Waits until a folder's entries (an empty path: the current folder's) are on the disk. Throws Error where that fails.
void sync_directory(const std::filesystem::path& path);

/// Whether `path` is a file, or a link to one.
bool is_file(const std::filesystem::path& path);

/// Makes a directory and those above it. Throws Error where that cannot be done.
void make_directory(const std::filesystem::path& path);

/// A file that grows by whole pieces.
class AppendFile {
 public:
  AppendFile() = default;
  /// Opens `path`, made where it is not there.
  explicit AppendFile(const std::filesystem::path& path);
  AppendFile(AppendFile&& other) noexcept;
  AppendFile& operator=(AppendFile&& other) noexcept;
  ~AppendFile();

  /// Appends `bytes`. Where not all of them fit, the file is cut back to what it was and an Error thrown.
  void append(std::string_view bytes);

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
};

/// An exclusive lock on a file, held until the object ends or the process dies.
class FileLock {
 public:
  /// Nothing where another process holds it. Throws Error where the file cannot be opened.
  static std::optional<FileLock> take(const std::filesystem::path& path);
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) noexcept;
  ~FileLock();

 private:
  explicit FileLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_ = -1;
};

}  // namespace stampede

/// \file Files without half-written content: replaced in one step, or appended to. Locks.
#include "host/base/files.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "host/base/error.hpp"
#include "host/base/memory.hpp"

namespace stampede {
namespace {

/// The most that is read from a device [bytes]: enough for text typed at a terminal; /dev/null holds nothing.
constexpr std::uintmax_t kLargestOfDevice = 1 << 16;

/// The end of an error's message: advice for the values of errno that users meet; empty for others.
std::string remedy(int reason) {
  switch (reason) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return "; free some space or choose a folder on another disk";
    case EACCES:
    case EPERM:
    case EROFS:
      return "; choose a folder that you may write to";
    case ENOTDIR:
    case ENOENT:
    case EISDIR:
      return "; choose a path whose folders exist and are folders";
    default:
      return "";
  }
}

[[noreturn]] void fail(const char* what, const std::filesystem::path& path, int reason) {
  throw Error(std::string("cannot ") + what + " " + path.string() + ": " + std::strerror(reason) + remedy(reason));
}

/// Writes all of `bytes`; returns 0 or the reason it could not.
int write_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

/// Waits until a folder's entries are on the disk; returns 0 or the errno. Folders that may not be opened for reading
/// and file systems that cannot do it count as done: the entries exist, but might not survive a power failure.
int sync_entries(const std::filesystem::path& directory) {
  const char* name = directory.empty() ? "." : directory.c_str();
  const int descriptor = ::open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return errno == EACCES ? 0 : errno;
  int reason = ::fsync(descriptor) != 0 ? errno : 0;
  if (reason == EINVAL || reason == ENOTSUP) reason = 0;
  ::close(descriptor);
  return reason;
}

}  // namespace

std::string read_file(const std::filesystem::path& path, std::uintmax_t most) {
  struct Descriptor {
    int number;
    ~Descriptor() {
      if (number >= 0) ::close(number);
    }
  } const descriptor{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (descriptor.number < 0) fail("read", path, errno);
  struct stat status {};
  if (::fstat(descriptor.number, &status) != 0) fail("read", path, errno);
  const auto size = static_cast<std::uintmax_t>(std::max<off_t>(0, status.st_size));
  const bool device = S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode);
  if (device) most = std::min(most, kLargestOfDevice);
  const auto too_large = [&] {
    return Error("cannot read " + path.string() + (device ? ": it is a device, and" : ": it") + " holds more than " +
                 std::to_string(most) + " bytes; the file that was meant would be right");
  };
  if (size > most) throw too_large();
  std::string bytes;
  return within_memory(path.string() + ", which is read as a whole", "a smaller file would be right", [&] {
    bytes.reserve(static_cast<std::size_t>(size));
    char buffer[1 << 16];
    for (;;) {
      const ssize_t count = ::read(descriptor.number, buffer, sizeof buffer);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) fail("read", path, errno);
      if (count == 0) return std::move(bytes);
      if (static_cast<std::uintmax_t>(count) > most - bytes.size()) throw too_large();
      bytes.append(buffer, static_cast<std::size_t>(count));
    }
  });
}

void write_file(const std::filesystem::path& path, std::string_view bytes, Durability durability,
                std::filesystem::path beside) {
  if (beside.empty()) {
    std::string name = ".";
    name += path.filename().string();
    name += ".partial";
    beside = path.parent_path() / name;
  }
  const int descriptor = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor < 0) fail("write", path, errno);
  int reason = write_all(descriptor, bytes);
  if (reason == 0 && durability == Durability::kDisk && ::fdatasync(descriptor) != 0) reason = errno;
  if (::close(descriptor) != 0 && reason == 0) reason = errno;
  if (reason == 0 && ::rename(beside.c_str(), path.c_str()) != 0) reason = errno;
  if (reason != 0) {
    ::unlink(beside.c_str());
    fail("write", path, reason);
  }
  if (durability == Durability::kDisk) sync_directory(path.parent_path());
}

void sync_directory(const std::filesystem::path& path) {
  if (const int reason = sync_entries(path); reason != 0) fail("bring to the disk the folder", path, reason);
}

bool is_file(const std::filesystem::path& path) {
  std::error_code code;
  return std::filesystem::is_regular_file(path, code);
}

void make_directory(const std::filesystem::path& path) {
  std::error_code code;
  std::filesystem::create_directories(path, code);
  if (code) fail("make the folder", path, code.value());
  if (!std::filesystem::is_directory(path, code)) fail("make the folder", path, ENOTDIR);
}

AppendFile::AppendFile(const std::filesystem::path& path) : path_(path) {
  descriptor_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (descriptor_ < 0) fail("write", path, errno);
}

AppendFile::AppendFile(AppendFile&& other) noexcept
    : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

AppendFile& AppendFile::operator=(AppendFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

AppendFile::~AppendFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void AppendFile::append(std::string_view bytes) {
  const off_t before = ::lseek(descriptor_, 0, SEEK_END);
  const int reason = write_all(descriptor_, bytes);
  if (reason == 0) return;
  if (before >= 0 && ::ftruncate(descriptor_, before) != 0) {
    // The first failure is the one to report; a half-written last line is dropped when the file is read again.
  }
  fail("write", path_, reason);
}

std::optional<FileLock> FileLock::take(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor < 0) fail("write", path, errno);
  if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) return FileLock(descriptor);
  const int reason = errno;
  ::close(descriptor);
  if (reason == EWOULDBLOCK) return std::nullopt;
  fail("lock", path, reason);
}

FileLock::FileLock(FileLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

FileLock& FileLock::operator=(FileLock&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

FileLock::~FileLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace stampede

#pragma once
/// \file An OpenGL context without a window, for MuJoCo's renderer.
///
/// EGL on the first device that offers a context (a GPU, else Mesa in software), without a surface; else OSMesa. Both
/// libraries are loaded when the first context is made: the program starts without them. Names and values of constants
/// are those of Khronos' EGL registry and of Mesa's GL/osmesa.h.

#include <memory>
#include <string>

namespace stampede {

/// A context that belongs to the thread that made it.
class GlContext {
 public:
  /// Makes one and makes it current. Throws Error, naming the packages to install, where there is neither EGL nor
  /// OSMesa.
  static std::unique_ptr<GlContext> make();
  virtual ~GlContext() = default;

  /// Makes it the calling thread's context.
  virtual void make_current() = 0;
  /// "EGL" or "OSMesa".
  virtual std::string kind() const = 0;
};

}  // namespace stampede

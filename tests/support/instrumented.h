// Whether this is a build with a sanitizer, in which loops over everything take a sample.
#pragma once

namespace castool::testing {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kInstrumented = true;
#else
inline constexpr bool kInstrumented = false;
#endif

}  // namespace castool::testing

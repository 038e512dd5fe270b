// The return type of everything that can fail.
//
// Result<T> is tl::expected<T, Error> that the compiler will not let you ignore (the alias alone is
// not [[nodiscard]]). Exceptions do not cross a room; a Result does.
#pragma once

#include <utility>

#include <tl/expected.hpp>

#include "base/error.h"

namespace castool::base {

template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
  Result(tl::unexpected<Error> error) : tl::expected<T, Error>(std::move(error)) {}
  Result(Error error) : tl::expected<T, Error>(tl::unexpect, std::move(error)) {}
};

using Status = Result<void>;

[[nodiscard]] inline Status ok() { return {}; }

// The error of a failed result, moved out, for returning it as another type.
template <class R>
[[nodiscard]] tl::unexpected<Error> failure(R&& result) {
  return tl::unexpected<Error>(std::forward<R>(result).error());
}

}  // namespace castool::base

#define CASTOOL_CONCAT_INNER(a, b) a##b
#define CASTOOL_CONCAT(a, b) CASTOOL_CONCAT_INNER(a, b)

// return_if_error(expression): leave the function with the expression's error, if it has one.
#define CASTOOL_RETURN_IF_ERROR(expr)                                                     \
  do {                                                                                    \
    if (auto castool_status = (expr); !castool_status)                                    \
      return ::tl::unexpected<::castool::base::Error>(std::move(castool_status).error()); \
  } while (false)

#define CASTOOL_ASSIGN_IMPL(tmp, lhs, expr)                                          \
  auto tmp = (expr);                                                                 \
  if (!tmp) return ::tl::unexpected<::castool::base::Error>(std::move(tmp).error()); \
  lhs = *std::move(tmp)

// CASTOOL_ASSIGN(auto x, f()): bind the value of f(), or leave the function with its error.
#define CASTOOL_ASSIGN(lhs, expr) \
  CASTOOL_ASSIGN_IMPL(CASTOOL_CONCAT(castool_result_, __COUNTER__), lhs, expr)

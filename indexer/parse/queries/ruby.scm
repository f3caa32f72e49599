(method name: (_) @name) @definition.method
(singleton_method name: (_) @name) @definition.method
(class name: (_) @name) @definition.class
(module name: (_) @name) @definition.module
(program (assignment left: (constant) @name) @definition.constant)
(body_statement (assignment left: (constant) @name) @definition.constant)

(comment) @comment

(call method: (identifier) @_require arguments: (argument_list . (string (string_content) @module))
  (#match? @_require "^(require|require_relative|load)$")) @import

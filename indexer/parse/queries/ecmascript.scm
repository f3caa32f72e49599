; What JavaScript, TypeScript and TSX have in common.

(function_declaration name: (identifier) @name body: (statement_block) @body) @definition.function
(generator_function_declaration name: (identifier) @name body: (statement_block) @body) @definition.function
(method_definition name: (_) @name body: (statement_block) @body) @definition.method
(program (lexical_declaration (variable_declarator name: (identifier) @name
  value: [(arrow_function body: (_) @body) (function_expression body: (_) @body)]) @definition.function))
(program (export_statement (lexical_declaration (variable_declarator name: (identifier) @name
  value: [(arrow_function body: (_) @body) (function_expression body: (_) @body)]) @definition.function)))
(program (lexical_declaration (variable_declarator name: (identifier) @name) @definition.variable))
(program (variable_declaration (variable_declarator name: (identifier) @name) @definition.variable))
(program (export_statement (lexical_declaration (variable_declarator name: (identifier) @name) @definition.variable)))
(pair key: (property_identifier) @name
  value: [(arrow_function body: (statement_block) @body) (function_expression body: (_) @body)]) @definition.method
(assignment_expression left: (member_expression property: (property_identifier) @name)
  right: [(arrow_function body: (statement_block) @body) (function_expression body: (_) @body)]) @definition.function
(comment) @comment
(decorator) @leading
(import_statement source: (string (string_fragment) @module)) @import
(import_statement (import_clause (identifier) @import.alias) source: (string (string_fragment) @module)) @import
(import_statement (import_clause (namespace_import (identifier) @import.alias)) source: (string (string_fragment) @module)) @import
(import_statement (import_clause (named_imports (import_specifier name: (identifier) @import.name alias: (identifier)? @import.alias)))
  source: (string (string_fragment) @module)) @import
(export_statement source: (string (string_fragment) @module)) @import
(call_expression function: (identifier) @_require arguments: (arguments . (string (string_fragment) @module))
  (#eq? @_require "require")) @import
